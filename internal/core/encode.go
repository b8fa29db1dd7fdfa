package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/totp"
)

// format is the number of the encoding that Encode writes. A change that an older program must not
// overlook (a new kind of factor, a new reason to deny) raises it.
const format = 1

// ErrFormat says that stored data is no account or token, or is one that a newer version has written.
var ErrFormat = errors.New("gatehouse: stored record cannot be read")

const (
	maxData     = 1 << 20 // bytes; a real account has a few thousand
	maxSlots    = 32      // selectors there are
	maxFailKept = 1 << 20
)

type stored struct {
	Format int `json:"v"`
	Account
}

// Encode returns what the store keeps. Equal accounts have equal encodings. What is too long for
// Decode is an error: once saved, nobody could get in any more.
func (a Account) Encode() ([]byte, error) {
	data, err := json.Marshal(stored{format, a})
	if err == nil && len(data) > maxData {
		return nil, fmt.Errorf("gatehouse: an account of %d bytes cannot be stored", len(data))
	}
	return data, err
}

// Decode reads the data of an account. What it does not know it refuses: an unknown field could be a
// reason to deny that an older program would drop at its next save.
func Decode(id string, data []byte) (Account, error) {
	var s stored
	if err := unmarshal(data, &s, &s.Format); err != nil {
		return Account{}, err
	}
	if what := s.Account.broken(); what != "" {
		return Account{}, fmt.Errorf("%w: %s", ErrFormat, what)
	}
	s.Account.ID = id
	return s.Account, nil
}

// unmarshal reads what has been stored under a format, whose place is in v.
func unmarshal(data []byte, v any, found *int) error {
	if len(data) > maxData {
		return fmt.Errorf("%w: %d bytes", ErrFormat, len(data))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var only struct {
			Format int `json:"v"`
		}
		if json.Unmarshal(data, &only) == nil && only.Format > format {
			return fmt.Errorf("%w: format %d, known is %d", ErrFormat, only.Format, format)
		}
		return fmt.Errorf("%w: not well-formed", ErrFormat) // not err: its text may hold data
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows it", ErrFormat)
	}
	if *found != format {
		return fmt.Errorf("%w: format %d, known is %d", ErrFormat, *found, format)
	}
	return nil
}

// broken names what cannot be in an account, "" for nothing.
func (a Account) broken() string {
	if a.Epoch == 0 || a.SignIns < 0 {
		return "epoch or count"
	}
	if a.Imported > ImportEnded {
		return "state of imports"
	}
	if a.Ancestry.broken() {
		return "ancestry"
	}
	if len(a.Authenticators) > MaxAuthenticators {
		return "too many authenticators"
	}
	ids := map[string]bool{}
	for _, auth := range a.Authenticators {
		if what := auth.broken(); what != "" || ids[auth.ID] {
			return "authenticator " + what
		}
		ids[auth.ID] = true
	}
	if p := a.Pending; p != nil {
		if what := p.Authenticator.broken(); what != "" || p.Authenticator.Weak || p.Tries < 0 || p.Tries >= pendingTries {
			return "pending authenticator " + what
		}
		if ids[p.Authenticator.ID] || p.Replace != "" && !ids[p.Replace] {
			return "pending authenticator"
		}
		if p.Recovery.broken() {
			return "pending recovery codes"
		}
	}
	if a.showsEight() && a.Recovery.eightDigits() > 0 {
		return "recovery codes of eight digits"
	}
	if a.Recovery.broken() {
		return "recovery codes"
	}
	if r := a.Reset; r != nil && (r.Code.Tags.broken() || r.Code.brokenTag(r.Code.Tags) || len(r.Code.Selector) != 1 || (r.Code.Hash == "") == (r.Code.Used == 0) ||
		r.Life < 0 || r.Life > int64(MaxImportLife/time.Second)) {
		return "reset"
	}
	if what := a.brokenActivity(); what != "" {
		return what
	}
	if len(a.Accepted) > maxAccepted || len(a.History) > maxHistory {
		return "posture"
	}
	if t := a.TOTPThrottle; t.Failures < 0 || t.Failures > maxFailKept || len(t.Days) > monthDays+1 {
		return "throttle"
	}
	if a.Minted[1] < 0 {
		return "count of tokens"
	}
	return ""
}

// brokenActivity is broken for the activity, whose entries count upwards.
func (a Account) brokenActivity() string {
	if len(a.Activity) > mostActivity || a.LookedAt < 0 || a.LookedAt > a.Noted {
		return "activity"
	}
	last := int64(0)
	for _, e := range a.Activity {
		if e.Number <= last || e.Number > a.Noted || e.Count < 0 || e.First < 0 {
			return "entry of the activity"
		}
		last = e.Number
	}
	return ""
}

// showsEight reports whether an authenticator, or the pending one, has codes of eight digits: then no recovery code has.
func (a Account) showsEight() bool {
	return slices.ContainsFunc(a.Authenticators, Authenticator.showsEight) || a.Pending != nil && a.Pending.Authenticator.showsEight()
}

func (a Authenticator) broken() string {
	switch {
	case a.ID == "" || len(a.ID) > maxName:
		return "ID"
	case CheckName(a.Name) != nil:
		return "name"
	case len(a.Sealed) == 0:
		return "secret"
	case a.Algorithm > totp.SHA512 || a.Digits != 6 && a.Digits != 8:
		return "parameters"
	case a.Last < 0 || a.Base < -resyncReach || a.Base > resyncReach || a.Steps.broken():
		return "counter"
	}
	return ""
}

func (s *RecoverySet) broken() bool {
	if s == nil {
		return false
	}
	if s.ID == "" || len(s.Slots) == 0 || len(s.Slots) > maxSlots || s.Tags.broken() || s.Imported && s.Tags != nil {
		return true
	}
	selectors := map[string]bool{}
	for _, slot := range s.Slots {
		if slot.brokenTag(s.Tags) || slot.Tags != nil || len(slot.Selector) != 1 || selectors[slot.Selector] || (slot.Hash == "") == (slot.Used == 0) ||
			slot.Digits != 0 && (slot.Digits != eightDigits || !s.Imported) {
			return true
		}
		selectors[slot.Selector] = true
	}
	return false
}
