// What an operator can do after a return value (CKR_…) that does not say it.

/** The next step after a return value, for its message. */
export const nextSteps: Readonly<Record<string, string>> = {
  CKR_DEVICE_MEMORY: 'the token has no room: destroy keys that are not used',
  CKR_KEY_FUNCTION_NOT_PERMITTED: 'CKA_SIGN of the private key is false in the token: use a signing key',
  CKR_KEY_SIZE_RANGE: 'the token does not have keys of this size',
  CKR_MECHANISM_INVALID:
    'the token does not have this mechanism for this key; pkcs11-tool --list-mechanisms shows those it has',
  CKR_DOMAIN_PARAMS_INVALID: 'the token does not have this curve: use another algorithm',
  CKR_CURVE_NOT_SUPPORTED: 'the token does not have this curve: use another algorithm',
  CKR_SESSION_COUNT: 'end other programs that use the token, or set a smaller maxSessions',
  CKR_TOKEN_NOT_RECOGNIZED: 'the token is not initialised, or its library does not support it',
  CKR_TOKEN_WRITE_PROTECTED: 'the token is write-protected, so keys are neither made nor destroyed',
  CKR_USER_ANOTHER_ALREADY_LOGGED_IN: 'this process is logged in as the security officer: log out first',
}
