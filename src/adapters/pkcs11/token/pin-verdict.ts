// Whether a failed C_Login may have counted as a wrong PIN, by its return value.

/**
 * `no`: the call did not reach the PIN check. `unclear`: the device failed during the call. `unknown`: every
 * other value, including vendor-defined ones.
 */
export function pinVerdict(returnValue: number | undefined): 'no' | 'unclear' | 'unknown' {
  if (returnValue === undefined || unjudged.has(returnValue)) return 'no'
  return failedOnTheWay.has(returnValue) ? 'unclear' : 'unknown'
}

/**
 * HOST_MEMORY, SLOT_ID_INVALID, CANT_LOCK, DEVICE_REMOVED, FUNCTION_NOT_SUPPORTED, OPERATION_ACTIVE,
 * OPERATION_NOT_INITIALIZED, the session closed, invalid or read-only, the token gone or not recognized,
 * another kind of user, CRYPTOKI_NOT_INITIALIZED.
 */
const unjudged: ReadonlySet<number> = new Set([
  0x02, 0x03, 0x0a, 0x32, 0x54, 0x90, 0x91, 0xb0, 0xb3, 0xb7, 0xe0, 0xe1, 0x103, 0x104, 0x105, 0x190,
])
/** GENERAL_ERROR, FUNCTION_FAILED, DEVICE_ERROR, DEVICE_MEMORY, FUNCTION_CANCELED. */
const failedOnTheWay: ReadonlySet<number> = new Set([0x05, 0x06, 0x30, 0x31, 0x50])
