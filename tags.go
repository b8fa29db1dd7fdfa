package gatehouse

import (
	"errors"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// purposeTag is what tags of recovery and operators' codes are for. Their key is the ring's, whatever seals the
// secrets of authenticators.
const purposeTag = "recovery tag"

// tagger returns what makes the tags of codes, and under which key it does so: the primary one.
func (s *Service) tagger(account, item string) (tag func(recovery.Code) (string, error), tags *core.Tags, err error) {
	key, b := s.e.Keys.Primary(), keyring.Binding{Purpose: purposeTag, Account: account, Item: item}
	check, err := s.e.Keys.MAC(key, nil, b)
	if err != nil {
		return nil, nil, err
	}
	return func(c recovery.Code) (string, error) {
		mac, err := s.e.Keys.MAC(key, []byte(c.Reveal()), b)
		if err != nil {
			return "", err
		}
		return core.Tag(mac), nil
	}, core.NewTags(key, check), nil
}

// tagOf returns the tag of a code that was typed, under the key of the account's tags. It is empty where there are no
// tags, or their key is not in the ring any more: then Argon2id alone tells.
func (s *Service) tagOf(a core.Account, m event.Method, typed recovery.Code) (string, error) {
	tags, item := a.TagsOf(m)
	if tags == nil || typed.IsZero() {
		return "", nil
	}
	b := keyring.Binding{Purpose: purposeTag, Account: a.ID, Item: item}
	check, err := s.e.Keys.MAC(tags.Key, nil, b)
	if errors.Is(err, keyring.ErrUnknownKey) || err == nil && !tags.Are(check) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	mac, err := s.e.Keys.MAC(tags.Key, []byte(typed.Reveal()), b)
	if err != nil {
		return "", err
	}
	return core.Tag(mac), nil
}
