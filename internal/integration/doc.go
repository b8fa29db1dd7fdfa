// Package integration has no code, only tests of the whole service: a state machine against a model
// (model_test.go, and model_token_test.go for access tokens), histories of concurrent calls, and
// races. It is a module of its own, so that nothing of what it needs is asked of Gatehouse's users.
//
// TestMachine is about accounts, TestMachineTokens the same machine with their tokens. Each draws another
// seed at every run, and prints it with the shortest failing sequence it finds. To look longer:
//
//	go test -run TestMachine -rapid.checks=2000 -rapid.steps=100 ./internal/integration
//
// MUTANTS.md says which broken lines these tests were seen to find.
package integration
