// Package simulation runs many nodes of a service on one store, with every call to the store under one scheduler
// that draws which goes on next and what becomes of it: it is done, it is done and its reply is lost, it is
// refused, it meets a conflict, its node dies, or it hangs for seconds or minutes and has one of these fates then. Some
// callers have given up by that time: what they asked for may yet be done, while others go on. The clocks of the nodes differ.
// All of it is drawn from a seed, which gives the same run each time.
//
// Each node has tokens, passkeys and a posture with gates on minting, and an observer to which all that was done is told.
// The passkeys are those of virtual authenticators, of which some count their signatures; what they have signed is shown
// again later, in other sign-ins and after changes.
//
// In half of the runs what owners must be told is kept, and each node has two drainers, whose sinks fail, hang, panic, or tell
// and say that they have not. Drainers die with their node, often between a delivery and the save that says so. What has
// happened is in the save of what has happened, every call that has succeeded is told, in order and by one drainer at a time,
// and nothing is told that has not happened.
//
// In most runs nodes are upgraded and rolled back between three releases: one that reads format 1, one that reads format 2 and
// makes nothing that needs it, and one that makes it. New there are accepted risks, notices of a revocation by an operator, and
// tokens that rotate themselves. Where the order is kept that docs/design.md gives, no call and no drainer meets what its node
// cannot read; where it is not kept, those that do fail, and all else holds.
//
// Operators suspend, resume, unlock, reset, reseal, import, accept risks, revoke tokens, purge them and delete accounts. Of a
// deletion nothing comes back but what ends its sessions: those are asked for like any other call, also once the ID is
// enrolled again. Whoever deletes an account is handed what its owner was not told.
//
// What gates answer, and what a review finds, follows from the account as it was at some moment within the call. The level that
// a save notes is that of the account as it is saved, and is told.
//
// A code that was looked at is counted before its denial is told. Whoever shows an old secret of a token ends it, and the
// owner is told. A first factor, and the loss of one, ends sessions in other browsers, and a reset ends all tokens.
//
// Three clients have a browser that becomes known; two have none, and guess. Whoever guesses must not lock the others out.
//
// After each call what is stored is held against the invariants, and at the end what every client was told is held
// against a sequential model, by porcupine: some order of the calls must explain all answers.
//
// What it reaches of the library, by 500 seeds in one process, is shown by
//
//	GATEHOUSE_SEEDS=500 go test -run TestSimulation -coverprofile c.out \
//		-coverpkg github.com/gatehouse-go/gatehouse/internal/core,github.com/gatehouse-go/gatehouse/internal/engine .
//	go tool cover -func c.out
//
// At least 74 % of the statements of internal/core and 68 % of those of internal/engine, 84 % of notify, 59 % of tokens and 56 % of
// posture. Left out are service accounts, changes in a transaction of the host's (Within), restores from a backup, a federated
// first factor, other systems' hashes and passkeys, names and resynchronization, since their races have tests of their own in
// internal/attack; metrics and traces, which change nothing; and refusals of records that no node of these releases writes.
//
// GATEHOUSE_SEEDS=100000 go test -v -timeout 0 -run TestSimulation runs as many seeds, in processes of 500 seeds each, one for each
// processor at a time, and says each minute how far it is. 100,000 take some 40 minutes of two processors.
package simulation
