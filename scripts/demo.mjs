// `npm run demo`: set-up with the data set, build, demo. Arguments go to `transfusion demo`.
import { runBuilt } from './built_command.mjs'

runBuilt('demo')
