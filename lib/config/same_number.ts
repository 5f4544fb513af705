/** Whether two numbers are equal up to the rounding of f32, which either may have been stored as. */
export const sameNumber = (a: number, b: number): boolean => Math.abs(a - b) <= 2 ** -23 * Math.abs(b)
