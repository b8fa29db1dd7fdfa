package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Doors for package passkey, which package gatehouse sets as it does Of. A service is a *gatehouse.Service.
var (
	// BeginPasskey stages a passkey for the owner of a session, as gatehouse.Owner.BeginEnrollment does an app. It returns
	// a gatehouse.Enrollment without a secret, and the account as it was saved.
	BeginPasskey func(ctx context.Context, service any, session Session, r PasskeyRequest) (any, core.Account, error)

	// OpenSignIn opens the text of a gatehouse.ChallengeToken of an account, "" being any.
	OpenSignIn func(ctx context.Context, service any, token, account string) (*core.Challenge, error)

	// Denied returns the *gatehouse.DeniedError of an outcome.
	Denied func(out core.Outcome) error

	// ImportPasskeys makes passkeys of another system active as gatehouse.Operator.Import does apps, of which operator is
	// one. It gives them IDs. handle is the account's name there; the zero Handle: a new one. It returns an outcome for each, and
	// the account as it is then.
	ImportPasskeys func(ctx context.Context, operator any, account string, handle storage.Handle, passkeys []core.Passkey) ([]core.ImportOutcome, core.Account, error)
)

// PasskeyRequest is what an owner chooses for a new passkey.
type PasskeyRequest struct {
	Label   string // for Resume to show again
	Name    string // empty: not chosen
	Replace string // the ID of the app or passkey whose place it takes
	Resume  string // the ID of a pending one; nothing else is set then
}

// Issued returns the moment at which a challenge is issued, in nanoseconds. It returns no moment twice while its clock
// stands still, or back by less than a second: of two challenges of one moment a passkey could answer but one.
func (e *Engine) Issued() int64 {
	for {
		now, last := e.Now().UnixNano(), e.issued.Load()
		if now <= last && last-now < int64(time.Second) {
			now = last + 1
		}
		if e.issued.CompareAndSwap(last, now) {
			return now
		}
	}
}

// SealCeremony seals the challenge of a ceremony with a passkey, and returns what the browser is given as the challenge.
// As base64url without padding, which is how browsers report it, it is text of Seal.
func (e *Engine) SealCeremony(ctx context.Context, c core.PasskeyChallenge) ([]byte, error) {
	text, err := e.Seal(ctx, PurposePasskey, c)
	if err != nil {
		return nil, err
	}
	return base64.RawURLEncoding.DecodeString(text)
}

// OpenCeremony is the inverse of SealCeremony. ErrSealed says that it is no challenge of one.
func (e *Engine) OpenCeremony(ctx context.Context, challenge []byte) (core.PasskeyChallenge, error) {
	var c core.PasskeyChallenge
	err := e.Open(ctx, PurposePasskey, base64.RawURLEncoding.EncodeToString(challenge), &c)
	return c, err
}

// LoadByHandle returns the account of a handle, as it is kept. ErrNotFound says that there is none.
func (e *Engine) LoadByHandle(ctx context.Context, h storage.Handle) (Kept[core.Account], error) {
	if h == (storage.Handle{}) {
		return Kept[core.Account]{}, core.ErrNotFound
	}
	rec, err := Retry(ctx, func() (storage.Record, error) { return e.Store.AccountByHandle(ctx, h) })
	if errors.Is(err, storage.ErrNotFound) {
		return Kept[core.Account]{}, core.ErrNotFound
	}
	if err != nil {
		return Kept[core.Account]{}, fmt.Errorf("gatehouse: load account: %w", err)
	}
	a, err := core.Decode(rec.ID, rec.Data)
	if err == nil && a.Handle != h {
		err = errors.New("gatehouse: load account: the store has answered with another")
	}
	return Kept[core.Account]{a, rec.Version, rec.Data}, err
}
