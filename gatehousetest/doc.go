// Package gatehousetest is for the unit tests of programs that use Gatehouse: of their sign-in and
// settings handlers, of what they do when the store fails, of what they tell whom.
//
// [NewSite] runs a program that has mounted the Security page. A [Browser] of it signs in by the program's own form,
// pairs an [Authenticator], gives codes and mints tokens, with one call each.
//
// For a program with pages of its own, [New] gives the service alone, with a clock that moves when told and recovery
// codes that cost nothing to check. [Service.Enroll] gives an account two-factor sign-in, and [User.AddPasskey] a passkey. [Store] fails, stalls,
// conflicts and loses replies on demand, and a [Recorder] keeps the events: both are there in a Site as well.
//
// Nothing here is safe outside of tests.
package gatehousetest
