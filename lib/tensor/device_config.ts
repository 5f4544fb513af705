import { z } from 'zod'
import { type Device, deviceNames } from './device.js'

/** The device of a config. Its form alone is checked here; `parseDevice` refuses a device that is not there. */
export const deviceSchema = z
  .string()
  .regex(deviceNames, 'expected "cpu", "cuda" or "cuda:N"')
  .default('cpu')
  .transform((name) => name as Device)
