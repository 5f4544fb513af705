import { profileOptionsOf, profileProcess } from './process_profile.js'

// Every entry of the package imports this module, so TRANSFUSION_PROFILE and TRANSFUSION_TRACE hold for any program that
// uses the library. A module runs once, however many entries a program imports.
profileProcess(profileOptionsOf(process.env))
