// Package posture says how well an account is protected. It is pure: [Facts] go in, a [Report] comes out,
// and the same facts at the same time give the same bytes. Most programs use it through
// gatehouse.Service.Review and Require, and build here what those take: a [Model] of controls and a
// [Policy] of gates.
//
// A control is one question with one answer, such as whether there is a second factor. The score sums
// them up for people. Gates never read it: they name controls, and what is not known closes them.
package posture

import "errors"

// ErrInvalid says that a control, a model or a policy is not well-formed.
var ErrInvalid = errors.New("posture: invalid argument")
