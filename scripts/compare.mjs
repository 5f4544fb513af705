// `npm run compare -- WHAT`: set-up with the data set, build, comparison. Arguments go to `transfusion compare`.
import { runBuilt } from './built_command.mjs'

runBuilt('compare')
