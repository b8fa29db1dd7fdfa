// Package posture says how well the accounts of a gatehouse.Service are protected.
//
// [New] returns a [Service] under a [Policy] of gates, which reads a [Model] of controls. [Service.Review] tells an
// owner how well the account is protected, [Service.Require] asks a gate before an action, and [Service.Preview] tells in advance
// what a change would make of the account.
//
// A control is one question with one answer, such as whether there is a second factor. The score sums
// them up for people. Gates never read it: they name controls, and an answer that is not known closes them.
//
// Models and policies are pure: [Facts] go in, a [Report] comes out, and the same facts at the same time give the same
// bytes.
package posture

import "errors"

// ErrInvalid says that a control, a model or a policy is not well-formed.
var ErrInvalid = errors.New("posture: invalid argument")
