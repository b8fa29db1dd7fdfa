package gatehouse

import (
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

var (
	// ErrDenied is the only answer to a code that is not accepted, whatever the reason. DeniedError
	// says when another can be tried.
	ErrDenied = core.ErrDenied
	// ErrStepUpRequired says that the proof is missing, not the owner's, too old, of another session,
	// ended by a change of factors, or of a kind that is not enough for what was asked. Ask for a
	// code with StepUp (or, without a second factor, for the password, and Vouch).
	ErrStepUpRequired = core.ErrStepUpRequired
	// ErrInvalid says that an argument is out of bounds. Nothing was changed.
	ErrInvalid = core.ErrInvalid
	// ErrNotFound says that there is no such authenticator, enrollment, set of recovery codes or token. Nothing was
	// changed.
	ErrNotFound = core.ErrNotFound
	// ErrPrecondition says that the account's state does not allow it: it has expired, there are too many, or it is
	// suspended. Nothing was changed.
	ErrPrecondition = core.ErrPrecondition
	// ErrBusy says that more Argon2id runs are waiting than this process takes. Nothing was changed;
	// it is a fault; answer with HTTP 503.
	ErrBusy = engine.ErrBusy
)

// DeniedError is the error of a denied code; errors.Is(err, ErrDenied) holds. It is the same for
// right and wrong codes while a method is locked. Show the fields only to somebody who has passed the
// first factor.
type DeniedError struct {
	RetryAt  time.Time // when a code of this method can be tried again; zero: now, unless Disabled
	Disabled bool      // waiting does not help: too many codes were wrong, use another method
}

func (e *DeniedError) Error() string { return ErrDenied.Error() }

// Unwrap returns ErrDenied.
func (e *DeniedError) Unwrap() error { return ErrDenied }

func denied(out core.Outcome) error {
	return &DeniedError{RetryAt: out.RetryAt, Disabled: out.Disabled}
}
