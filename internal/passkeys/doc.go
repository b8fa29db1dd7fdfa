// Package passkeys has no code, only tests of package passkey on real databases. It is a module of its own, so that
// neither passkey nor internal/integration needs what the other one does.
package passkeys
