// Package vectors has no code, only the tests that run the test vectors in the folder vectors against this library, and
// against a second computation of the same: of codes by pquerna/otp, of everything else by what is written here from the
// formats' descriptions alone.
package vectors
