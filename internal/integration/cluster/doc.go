// Package cluster has no code, only tests of clusters of three nodes, each under a load of sign-ins, tokens and
// enrollments while its nodes are killed, paused, partitioned, given a wrong clock and a full disk, and restarted, and
// its programs are killed. They need root and Linux, start everything by themselves and leave nothing behind. As many run
// at once as there are processors (-parallel):
//
//	go test ./internal/integration/cluster
//
// GATEHOUSE_LONG=1 has each fault happen 20 times, in an hour and a half with -parallel 8 -timeout 0, and writes what it
// measured to results/. With GATEHOUSE_CLUSTER_LOGS set to a directory, a test that fails copies all disks and logs of its
// nodes to it.
//
// TestFigures puts a load over HTTP on clusters that nothing happens to: on etcd for a moment, and with GATEHOUSE_FIGURES
// set to a directory on all of them, for the tables of internal/benchmarks.
//
// # How it works
//
// TestMain runs the tests in a network and a mount namespace of their own, so everything ends with them, and nothing
// meets another test. A machine (machine_test.go) is an address on a bridge, a process namespace that ends as one, a
// disk of its own and a clock (libfaketime, for programs that ask the C library: not those in Go). Three machines are
// nodes of an engine. Three others have a worker each: a process of the test binary that uses Gatehouse, as a program
// would (worker_test.go, load_test.go), and writes a line for each call before it makes the next one. The test keeps
// these lines, and gives the verdict (books_test.go) after each fault, once the cluster is whole again: nothing was
// accepted twice, no owner was denied with a right, fresh and unused code, every load, which another node answers, saw
// what had been acknowledged before it, all that was acknowledged is in the store, and no counter went back. TestBooks
// has the books find each of these. A fault must show: a server says that its disk is full and what time it has, and a
// worker that is cut off meets a fault. At the end everything that workers do must have happened.
//
// # How an engine plugs in
//
// It is a type with the methods of the interface engine (cluster_test.go), an entry in the map engines, which workers
// look it up in, and a test:
//
//	func TestGalera(t *testing.T) { testCluster(t, "galera") }
//
// patroni_test.go is an example. launch starts an engine's programs on a node with machine.start, at the node's address,
// with their files in the node's disk; what ends is started again after a second, as systemd would, until the machine is
// turned off. After that launch is called again, with the disk as it was.
package cluster
