package gatehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Change is one that Preview can try out.
type Change struct {
	make func(s *Service, e *evidence) error
}

// Preview says what changes, one after the other, would make of an account: points and level, controls that
// flip, gates that open or close, tokens that stop or start to work, the ways back in that would be left,
// and a warning before a lock-out. It makes the changes themselves, as the Service would, on a copy;
// nothing is saved. A change that would be refused for the account's state is the same error here.
func (s *Service) Preview(ctx context.Context, account string, changes ...Change) (posture.Preview, error) {
	e, err := s.evidence(ctx, account)
	if err != nil {
		return posture.Preview{}, err
	}
	before := e.facts()
	e.account = e.account.Create(e.env)
	for _, c := range changes {
		if c.make == nil {
			return posture.Preview{}, fmt.Errorf("%w: no change", ErrInvalid)
		}
		e.env.Fresh = fresh()
		if err := c.make(s, &e); err != nil {
			return posture.Preview{}, err
		}
	}
	return s.posture.Compare(before, e.facts(), e.env.Now), nil
}

// proof is one that the account's owner could have: what is tried out is not who may do it.
func (e *evidence) proof() core.Presented {
	kind := core.SecondFactor
	switch {
	case e.account.Reset != nil:
		kind = core.OperatorCode
	case !e.account.Protected():
		kind = core.Attested
	}
	return core.Presented{Proof: core.Proof{Account: e.account.ID, Kind: kind, At: e.env.Now.Unix(), Epoch: e.account.Epoch}}
}

// AddingAuthenticator pairs another authenticator, with recovery codes where there are none.
func AddingAuthenticator() Change {
	return Change{func(s *Service, e *evidence) error {
		key := totp.Key{Secret: totp.GenerateSecret(), Digits: defaultDigits}
		staged := core.Pending{Authenticator: core.Authenticator{
			ID: newID(), Name: defaultName, Digits: defaultDigits, Sealed: []byte("not stored"), Key: s.sealer.Primary(),
		}}
		if e.account.NeedsCodes() {
			staged.Recovery = unusableCodes()
		}
		next, err := e.account.Begin(e.proof(), staged, e.env)
		if err != nil {
			return err
		}
		code, err := key.Code(totp.Step(e.env.Now))
		if err != nil {
			return err
		}
		e.account = next
		next, _, err = next.Confirm(e.proof(), staged.Authenticator.ID, code, key, e.env)
		e.account = next
		return err
	}}
}

// unusableCodes is a set in the place of one whose hashes would take Argon2id to make.
func unusableCodes() *core.RecoverySet {
	set := &core.RecoverySet{ID: newID()}
	for _, selector := range "0123456789" {
		set.Slots = append(set.Slots, core.Slot{Selector: string(selector), Hash: "not stored"})
	}
	return set
}

// RemovingAuthenticator removes an authenticator.
func RemovingAuthenticator(id string) Change {
	return Change{func(_ *Service, e *evidence) (err error) {
		e.account, _, err = e.account.Remove(e.proof(), id, e.env)
		return err
	}}
}

// RegeneratingRecoveryCodes makes new recovery codes.
func RegeneratingRecoveryCodes() Change {
	return Change{func(_ *Service, e *evidence) (err error) {
		e.account, _, err = e.account.Regenerate(e.proof(), unusableCodes(), e.env)
		return err
	}}
}

// DisablingTwoFactor turns two-factor off.
func DisablingTwoFactor() Change {
	return Change{func(_ *Service, e *evidence) (err error) {
		e.account, _, err = e.account.Disable(e.proof(), e.env)
		return err
	}}
}

// Resetting is an operator's reset.
func Resetting() Change {
	return Change{func(_ *Service, e *evidence) (err error) {
		e.account, err = e.account.Resets(core.By{Operator: "preview"}, core.Slot{Selector: "0", Hash: "not stored"}, e.env)
		return err
	}}
}

// RevokingAllTokens ends every token of the account.
func RevokingAllTokens() Change {
	return Change{func(_ *Service, e *evidence) error {
		e.account = e.account.RevokeTokensBy(core.By{Operator: "preview"}, e.env)
		return nil
	}}
}

// AcceptingRisk takes on that the account fails a control.
func AcceptingRisk(control string, until time.Time) Change {
	return Change{func(s *Service, e *evidence) (err error) {
		if err := s.hasControl(control); err != nil {
			return err
		}
		end := int64(0)
		if !until.IsZero() {
			end = until.Unix()
		}
		e.account, err = e.account.Accept(core.By{Operator: "preview", Reason: "preview"}, control, end, e.env)
		return err
	}}
}

// ChangingPlan has the host's plan be another.
func ChangingPlan(plan string) Change {
	return Change{func(_ *Service, e *evidence) error {
		e.host.Plan = plan
		return nil
	}}
}
