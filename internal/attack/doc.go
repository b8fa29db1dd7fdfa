// Package attack has no code, only the tests of the account and of the services on it as somebody sees them who calls
// them from outside: owners, operators and hosts, and whoever wants in. Files are named by what is tried: forged proofs
// and tokens, hostile text and numbers, races, faults of the store at every call, records that were tampered with,
// outages, clocks that jump. helpers_test.go has the house that all of them attack.
package attack
