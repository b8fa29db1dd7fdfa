package posture

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Trial is an account on which changes are tried out, one after the other. Each method makes the change as the Service
// would, on a copy, and returns the error with which it would be refused for the account's state.
type Trial struct{ e *evidence }

// Preview says what changes would make of an account: points and level, controls that
// flip, gates that open or close, tokens that stop or start to work, the ways back in that would be left,
// and a warning before a lock-out. Nothing is saved. An error of try is the error here.
func (s *Service) Preview(ctx context.Context, account string, try func(*Trial) error) (_ Preview, err error) {
	defer s.e.Begin(&ctx, "posture.Service.Preview").End(&err)
	e, err := s.evidence(ctx, account)
	if err != nil {
		return Preview{}, err
	}
	return s.preview(e, try)
}

// PreviewOf is Preview for a page that has loaded the account anyhow, with its tokens or nil, as in ReviewOf.
func (s *Service) PreviewOf(ctx context.Context, account gatehouse.Account, live []tokens.Info, try func(*Trial) error) (_ Preview, err error) {
	defer s.e.Begin(&ctx, "posture.Service.PreviewOf").End(&err)
	e, err := s.evidenceOf(ctx, account, live)
	if err != nil {
		return Preview{}, err
	}
	return s.preview(e, try)
}

func (s *Service) preview(e evidence, try func(*Trial) error) (Preview, error) {
	before := e.facts()
	e.account = e.account.Create(e.env)
	if err := try(&Trial{&e}); err != nil {
		return Preview{}, err
	}
	return s.policy.Compare(before, e.facts(), e.env.Now), nil
}

// operator tries out what is an operator's.
var operator = core.By{Operator: "preview", Reason: "preview"}

// owner returns a proof that the account's owner could have: what is tried out is not who may do it.
func (t *Trial) owner() core.Presented {
	a := t.e.account
	kind := core.SecondFactor
	switch {
	case a.Reset != nil:
		kind = core.OperatorCode
	case !a.Protected():
		kind = core.Vouched
	}
	t.e.env.Fresh = engine.Fresh()
	return core.Presented{Proof: core.Proof{
		Account: a.ID, Kind: kind, At: t.e.env.Now.Unix(), Epoch: a.Epoch, Stamp: a.SessionEpoch, Resistant: kind == core.SecondFactor,
	}}
}

// AddAuthenticator pairs another authenticator, with recovery codes where there are none. The owner has saved those, as the
// Security page asks for before the pairing ends.
func (t *Trial) AddAuthenticator() error {
	const digits = 6
	key := totp.Key{Secret: totp.GenerateSecret(), Digits: digits}
	staged := core.Pending{Authenticator: core.Authenticator{
		ID: uuid.NewString(), Name: "preview", Digits: digits, Sealed: []byte("not stored"), Key: t.e.s.e.Sealer.Primary(),
	}}
	if t.e.account.NeedsCodes() {
		staged.Recovery = unusableCodes()
	}
	next, err := t.e.account.Begin(t.owner(), staged, t.e.env)
	if err != nil {
		return err
	}
	code, err := key.Code(totp.Step(t.e.env.Now))
	if err != nil {
		return err
	}
	if next.NeedsCodes() {
		if next, err = next.Acknowledge(t.owner(), staged.Recovery.ID, t.e.env); err != nil {
			return err
		}
	}
	t.e.account = next
	next, _, err = next.Confirm(t.owner(), staged.Authenticator.ID, code, key, t.e.env)
	t.e.account = next
	return err
}

// AddPasskey adds a passkey that verifies its user, with recovery codes where there are none, which the owner has saved.
func (t *Trial) AddPasskey() error {
	staged := core.Pending{Authenticator: core.Authenticator{ID: uuid.NewString(), Name: "preview"}}
	if t.e.account.NeedsCodes() {
		staged.Recovery = unusableCodes()
	}
	next, err := t.e.account.BeginPasskey(t.owner(), staged, storage.Handle(sha256.Sum256([]byte(staged.Authenticator.ID))), t.e.env)
	if err != nil {
		return err
	}
	if next.NeedsCodes() {
		if next, err = next.Acknowledge(t.owner(), staged.Recovery.ID, t.e.env); err != nil {
			return err
		}
	}
	t.e.account = next
	asked := next.PasskeyChallenge(core.PasskeyRegister, nil, nil, t.e.env.Now.UnixNano())
	next, _, err = next.FinishPasskey(t.owner(), asked, core.Passkey{
		Credential: []byte(staged.Authenticator.ID), PublicKey: []byte("not stored"), Verified: true,
	}, t.e.env)
	t.e.account = next
	return err
}

// unusableCodes is a set like one whose hashes would take Argon2id to make.
func unusableCodes() *core.RecoverySet {
	set := &core.RecoverySet{ID: uuid.NewString()}
	for _, selector := range "0123456789" {
		set.Slots = append(set.Slots, core.Slot{Selector: string(selector), Hash: "not stored"})
	}
	return set
}

// RemoveAuthenticator removes an app or a passkey.
func (t *Trial) RemoveAuthenticator(id string) (err error) {
	t.e.account, _, err = t.e.account.Remove(t.owner(), id, t.e.env)
	return err
}

// RegenerateRecoveryCodes makes new recovery codes, and the owner saves them.
func (t *Trial) RegenerateRecoveryCodes() (err error) {
	set := unusableCodes()
	if t.e.account, _, err = t.e.account.Regenerate(t.owner(), set, t.e.env); err != nil {
		return err
	}
	t.e.account, err = t.e.account.Acknowledge(t.owner(), set.ID, t.e.env)
	return err
}

// DisableTwoFactor turns two-factor off.
func (t *Trial) DisableTwoFactor() (err error) {
	t.e.account, _, err = t.e.account.Disable(t.owner(), t.e.env)
	return err
}

// Reset is an operator's reset.
func (t *Trial) Reset() (err error) {
	t.e.env.Fresh = engine.Fresh()
	t.e.account, err = t.e.account.Resets(operator, core.Slot{Selector: "0", Hash: "not stored"}, t.e.env)
	return err
}

// RevokeTokens ends every token of the account.
func (t *Trial) RevokeTokens() error {
	t.e.env.Fresh = engine.Fresh()
	t.e.account = t.e.account.RevokeTokensBy(operator, t.e.env)
	return nil
}

// AcceptRisk takes on that the account fails a control, until a time or, with the zero Time, without an end.
func (t *Trial) AcceptRisk(control string, until time.Time) (err error) {
	if err := t.e.s.hasControl(control); err != nil {
		return err
	}
	end := int64(0)
	if !until.IsZero() {
		end = until.Unix()
	}
	t.e.account, err = t.e.account.Accept(operator, control, end, t.e.env)
	return err
}

// ChangePlan gives the account another plan of the host's.
func (t *Trial) ChangePlan(plan string) error {
	t.e.host.Plan = plan
	return nil
}
