package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// denials has why the last code was denied. The service tells its own side alone, the Observer, and a real service keeps
// it there: somebody who guesses must not learn which codes were once right. This terminal is the developer's.
type denials struct {
	mu  sync.Mutex
	why string
}

func (d *denials) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.why = ""
}

func (d *denials) last() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.why
}

func (d *demo) observe(_ context.Context, e event.Event) {
	if e.Kind == event.CodeDenied {
		d.denials.mu.Lock()
		defer d.denials.mu.Unlock()
		d.denials.why = e.Why
	}
}

// answer writes the line for a code; advice is what to do after a denial. It returns only what is neither "ok" nor
// "denied".
func (d *demo) answer(ok, advice string, err error) error {
	var denied *gatehouse.DeniedError
	switch {
	case err == nil:
		fmt.Fprintln(d.out, ok)
	case errors.As(err, &denied) && denied.Disabled:
		fmt.Fprintln(d.out, "denied, too many wrong codes: use a recovery code")
	case errors.As(err, &denied) && !denied.RetryAt.IsZero():
		fmt.Fprintln(d.out, "denied, too many wrong codes: retry at", denied.RetryAt.Format(time.RFC3339))
	case errors.Is(err, gatehouse.ErrDenied):
		fmt.Fprintln(d.out, "denied, "+advice)
	case errors.Is(err, gatehouse.ErrPrecondition), errors.Is(err, gatehouse.ErrNotFound), errors.Is(err, gatehouse.ErrStepUpRequired):
		fmt.Fprintln(d.out, "denied, the pairing took too long or too many codes: start again")
	default:
		return err
	}
	return nil
}

// unpaired returns what to do after a code that did not confirm the pairing.
func (d *demo) unpaired(code string) string {
	if !totp.IsCode(code) {
		return "that is no code of the app: type the digits that it shows"
	}
	return d.wrong(code)
}

// refused returns what to do after a code that was denied at sign-in.
func (d *demo) refused(code string) string {
	switch d.denials.last() {
	case "replayed":
		return "that code was used: wait for the next one"
	case "used":
		return "that recovery code was used: each works once"
	case "wrong":
		return d.wrong(code)
	}
	return "that is no code: type the digits that the app shows, or a recovery code"
}

// wrong returns what to do after a wrong guess.
func (d *demo) wrong(code string) string {
	switch {
	case !totp.IsCode(code):
		return "that is none of the recovery codes"
	case len(code) != d.digits:
		return fmt.Sprintf("that is wrong: the app shows %d digits", d.digits)
	}
	return "that is wrong: type what the app shows now; if that is denied too, set the clock of the phone or of this computer"
}
