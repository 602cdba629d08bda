/*
 * In: nothing. Out: the environment in which firebase-functions takes an ID token without verifying it, as it
 * does in Firebase's own emulator: verifying needs a project and the network. The caller's own settings win:
 * with FIREBASE_DEBUG_FEATURES={} tokens are verified, so each is refused.
 * Not here: who may call what; that is an `authPolicy`.
 *
 * It is a file of its own because firebase-functions reads one of the two while it is imported.
 */
process.env.FIREBASE_DEBUG_MODE ??= "true";
process.env.FIREBASE_DEBUG_FEATURES ??= JSON.stringify({ skipTokenVerification: true });
