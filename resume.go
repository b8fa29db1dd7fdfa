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
	p, err := o.present(ctx)
	if err != nil {
		return Enrollment{}, err
	}
	a, err := o.s.e.Load(ctx, p.Account)
	if err != nil {
		return Enrollment{}, err
	}
	pending, err := a.CanShow(p, id, o.s.e.Env())
	if err != nil {
		return Enrollment{}, err
	}
	key, err := o.s.openKey(ctx, a.ID, pending.Authenticator)
	if err != nil {
		return Enrollment{}, err
	}
	plain, err := o.s.e.Sealer.Open(ctx, pending.Kept.Sealed, keptBinding(a.ID, id, string(p.In)))
	if err != nil {
		return Enrollment{}, fmt.Errorf("gatehouse: open enrollment: %w", err)
	}
	var k kept
	if err := json.Unmarshal(plain, &k); err != nil {
		return Enrollment{}, errors.New("gatehouse: open enrollment: not what was sealed") // not err: it may have the text
	}
	return o.s.shown(pending, key, k)
}

// shown returns a pending enrollment as it was when it began.
func (s *Service) shown(pending core.Pending, key totp.Key, k kept) (Enrollment, error) {
	uri, err := key.URI(s.issuer, k.Label)
	if err != nil {
		return Enrollment{}, fmt.Errorf("gatehouse: open enrollment: %w", err)
	}
	enr := Enrollment{ID: pending.Authenticator.ID, Expires: core.Time(pending.Expires), Secret: key.Secret, uri: redact.New(uri)}
	if enr.QR, err = key.QR(s.issuer, k.Label); err != nil {
		return Enrollment{}, fmt.Errorf("gatehouse: open enrollment: %w", err)
	}
	if pending.Recovery == nil { // the account has others by now
		return enr, nil
	}
	enr.RecoverySetID = pending.Recovery.ID
	for _, text := range k.Codes {
		code, err := recovery.Parse(text)
		if err != nil {
			return Enrollment{}, errors.New("gatehouse: open enrollment: not a recovery code")
		}
		enr.RecoveryCodes = append(enr.RecoveryCodes, code)
	}
	if len(enr.RecoveryCodes) != len(pending.Recovery.Slots) {
		return Enrollment{}, errors.New("gatehouse: open enrollment: not the recovery codes that are pending")
	}
	return enr, nil
}
