// Package floors has no code, only the tests that keep the house in order. They read
// every package of the root module, and for cycles the command too, and fail when
//
//   - a package imports one that is not below it, or a pure package reaches for a context, a network,
//     a database, the system or a clock (rules_test.go says who may import what);
//   - a package links other modules' packages than deps.txt says, or go.mod requires another module
//     than it may (deps_test.go);
//   - files of a package refer to each other in a larger cycle than docs/design.md explains
//     (cycles_test.go);
//   - the root package exports more names, or its folder has more files, than it may (size_test.go).
//
// A new package needs an entry in rules_test.go. After a change of dependencies that is meant,
//
//	go test ./internal/floors -update
//
// writes deps.txt anew, for the review to see.
package floors
