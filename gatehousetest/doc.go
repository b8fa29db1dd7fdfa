// Package gatehousetest is for the unit tests of programs that use Gatehouse: of their sign-in and
// settings handlers, of what they do when the store fails, of what they tell whom.
//
// [New] gives a service that is ready to use, with a clock that moves when told and recovery codes
// that cost nothing to check. [Service.Enroll] gives an account two-factor sign-in, with an
// [Authenticator] that shows its codes. [Store] fails, stalls, conflicts and loses replies on demand,
// and a [Recorder] keeps the events.
//
// Nothing here is safe outside of tests.
package gatehousetest
