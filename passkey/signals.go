package passkey

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Signals returns what a page tells the owner's password manager after a passkey was added or removed, or the label has
// changed: JSON with the members of what PublicKeyCredential.signalAllAcceptedCredentials and signalCurrentUserDetails take,
// rpId, userId, allAcceptedCredentialIds, name and displayName. The two names are label, and left out where it is empty. It
// returns nil if the account has never had a passkey to tell of. Show it to the account's owner only.
func (s *Service) Signals(ctx context.Context, account, label string) (_ []byte, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.Signals").End(&err)
	a, err := s.e.Load(ctx, account)
	if err != nil || a.Handle == (storage.Handle{}) {
		return nil, err
	}
	ids := []string{} // never null: none is accepted
	for _, k := range a.Passkeys {
		ids = append(ids, encode(k.Credential))
	}
	return json.Marshal(struct {
		RPID        string   `json:"rpId"`
		UserID      string   `json:"userId"`
		Accepted    []string `json:"allAcceptedCredentialIds"`
		Name        string   `json:"name,omitempty"`
		DisplayName string   `json:"displayName,omitempty"`
	}{s.rpid, encode(a.Handle[:]), ids, label, label})
}

// UnknownSignal returns what a page tells a password manager after SignIn has denied a passkey that its account has no
// more: JSON for PublicKeyCredential.signalUnknownCredential, after which the manager does not offer it again. It returns
// nil unless there is an account of the response's user handle that lacks the passkey: one that was denied for another
// reason stays, and so does one that an import has brought under another system's handle. response is what SignIn was
// given.
func (s *Service) UnknownSignal(ctx context.Context, response []byte) (_ []byte, err error) {
	defer s.e.Begin(&ctx, "passkey.Service.UnknownSignal").End(&err)
	assertion, err := s.ceremony.ParseAssertion(response)
	if err != nil || len(assertion.UserHandle) != len(storage.Handle{}) {
		return nil, nil
	}
	kept, err := s.named(ctx, assertion)
	if errors.Is(err, gatehouse.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, there := kept.Record.Passkey(assertion.Credential); there {
		return nil, nil
	}
	return json.Marshal(struct {
		RPID       string `json:"rpId"`
		Credential string `json:"credentialId"`
	}{s.rpid, encode(assertion.Credential)})
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
