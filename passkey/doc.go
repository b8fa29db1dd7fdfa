// Package passkey lets the owners of accounts use passkeys (W3C Web Authentication Level 3): as the second step of a
// sign-in, to confirm that it is them inside a session, and to sign in without a password. It stands on a
// gatehouse.Service, in whose records passkeys are, next to authenticator apps and recovery codes.
//
// Make a [Service] with [New]. A web service gives it to websession.Config and securitypage.Config, which do the rest. On
// pages and in apps of your own a ceremony is two calls: one returns options for the browser's navigator.credentials,
// the next takes what it has made of them.
//
//   - Add a passkey: [Service.BeginRegistration], [Service.FinishRegistration].
//   - Second step: [Service.AnswerOptions], [Service.AnswerPasskey]. Inside a session: [Service.StepUpOptions],
//     [Service.StepUp].
//   - Without a password: [Service.SignInOptions], [Service.SignIn].
//
// Passkeys are renamed and removed as apps are, by gatehouse.Owner. [Service.Signals] tells the owner's password manager.
//
// Nothing of a ceremony is stored. Its challenge is sealed, says what it is for, and is valid for 5 minutes; a passkey
// accepts only a challenge that is newer than the last one it has accepted. A proof by a passkey is
// gatehouse.ProofInfo.PhishingResistant.
//
// Options and responses are JSON as browsers take and make them, by PublicKeyCredential.parseCreationOptionsFromJSON,
// parseRequestOptionsFromJSON and toJSON. Package passkeytest has an authenticator for tests.
package passkey
