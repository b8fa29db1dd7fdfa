package gatehouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// kept is what a pending enrollment has shown, except for the secret, which is sealed already.
type kept struct {
	Label string   `json:"l"`
	Codes []string `json:"c,omitempty"`
}

func reveal(codes recovery.Codes) (texts []string) {
	for _, c := range codes {
		texts = append(texts, c.Reveal())
	}
	return texts
}

// keep seals what an enrollment has shown, for the session of a digest alone.
func (s *Service) keep(ctx context.Context, account, id string, session []byte, k kept) (*core.Kept, error) {
	plain, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("gatehouse: seal enrollment: %w", err)
	}
	sealed, err := s.e.Sealer.Seal(ctx, plain, keptBinding(account, id, string(session)))
	if err == nil && len(sealed) == 0 {
		err = errors.New("the sealer returned nothing")
	}
	if err != nil {
		return nil, fmt.Errorf("gatehouse: seal enrollment: %w", err)
	}
	return &core.Kept{Session: string(session), Sealed: sealed}, nil
}

func keptBinding(account, id, session string) keyring.Binding {
	return keyring.Binding{Purpose: "pairing", Account: account, Item: id + " " + session}
}

// resume shows a pending enrollment again. That its account decides; the seal holds also where the record is forged.
func (o Owner) resume(ctx context.Context, id string) (Enrollment, error) {
	a, pending, k, err := o.open(ctx, id, false)
	if err != nil {
		return Enrollment{}, err
	}
	key, err := o.s.openKey(ctx, a.ID, pending.Authenticator)
	if err != nil {
		return Enrollment{}, err
	}
	return o.s.shown(pending, key, k)
}

// open returns a pending enrollment and what it has shown.
func (o Owner) open(ctx context.Context, id string, passkey bool) (core.Account, core.Pending, kept, error) {
	none := func(err error) (core.Account, core.Pending, kept, error) {
		return core.Account{}, core.Pending{}, kept{}, err
	}
	p, err := o.present(ctx)
	if err != nil {
		return none(err)
	}
	a, err := o.s.e.Load(ctx, p.Account)
	if err != nil {
		return none(err)
	}
	pending, err := a.CanShow(p, id, passkey, o.s.e.Env())
	if err != nil {
		return none(err)
	}
	plain, err := o.s.e.Sealer.Open(ctx, pending.Kept.Sealed, keptBinding(a.ID, id, string(p.In)))
	if err != nil {
		return none(fmt.Errorf("gatehouse: open enrollment: %w", err))
	}
	var k kept
	if json.Unmarshal(plain, &k) != nil {
		return none(errors.New("gatehouse: open enrollment: not what was sealed")) // not the decoder's: it may have the text
	}
	return a, pending, k, nil
}

// shown returns a pending enrollment as it was when it began.
func (s *Service) shown(pending core.Pending, key totp.Key, k kept) (Enrollment, error) {
	uri, err := key.URI(s.issuer, k.Label)
	if err != nil {
		return Enrollment{}, fmt.Errorf("gatehouse: open enrollment: %w", err)
	}
	enr := Enrollment{Secret: key.Secret, uri: redact.New(uri)}
	if enr.QR, err = key.QR(s.issuer, k.Label); err != nil {
		return Enrollment{}, fmt.Errorf("gatehouse: open enrollment: %w", err)
	}
	return enr.with(pending, k)
}

// with returns the enrollment with what those of either kind show.
func (e Enrollment) with(pending core.Pending, k kept) (Enrollment, error) {
	e.ID, e.Expires = pending.Authenticator.ID, core.Time(pending.Expires)
	if pending.Recovery == nil { // the account has others by now
		return e, nil
	}
	e.RecoverySetID = pending.Recovery.ID
	for _, text := range k.Codes {
		code, err := recovery.Parse(text)
		if err != nil {
			return Enrollment{}, errors.New("gatehouse: open enrollment: not a recovery code")
		}
		e.RecoveryCodes = append(e.RecoveryCodes, code)
	}
	if len(e.RecoveryCodes) != len(pending.Recovery.Slots) {
		return Enrollment{}, errors.New("gatehouse: open enrollment: not the recovery codes that are pending")
	}
	return e, nil
}
