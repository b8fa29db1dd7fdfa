// Package benchmarks has no code, only benchmarks that hold Gatehouse beside what a program would
// use instead. It is a module of its own, so that nothing of theirs is asked of Gatehouse's users.
// The README has the goals and the figures.
package benchmarks
