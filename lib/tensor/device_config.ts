import { z } from 'zod'
import { currentDevice, type Device, deviceNames } from './device.js'

/** The device of a config, by default that of new tensors. Its form alone is checked here; `parseDevice` refuses a device that is not there. */
export const deviceSchema = z
  .string()
  .regex(deviceNames, 'expected "cpu", "cuda" or "cuda:N"')
  .default(() => currentDevice())
  .transform((name) => name as Device)
