package benchmarks_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// What follows is an encoding in JSON, as most programs would have it and as this one had: with reflection, unknown fields
// refused, hashes as text. It has no checks of what it reads.

type jsonAccount struct {
	Format           int                 `json:"v"`
	Authenticators   []jsonAuthenticator `json:"auth,omitempty"`
	Recovery         *jsonSet            `json:"rec,omitempty"`
	TOTPThrottle     jsonThrottle        `json:"tt,omitzero"`
	RecoveryThrottle jsonBucket          `json:"rt,omitzero"`
	Misses           jsonBucket          `json:"rm,omitzero"`
	SignIns          int64               `json:"n,omitempty"`
	Activity         []jsonEvent         `json:"act,omitempty"`
	Noted            int64               `json:"na,omitempty"`
	LookedAt         int64               `json:"seen,omitempty"`
	Epoch            int64               `json:"e"`
	Since            int64               `json:"ff,omitempty"`
	TokenEpoch       int64               `json:"te"`
	Minted           core.DayCount       `json:"mint,omitzero"`
	Imported         core.ImportState    `json:"imp,omitempty"`
	Ancestry         []byte              `json:"b,omitempty"`
}

type jsonAuthenticator struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Sealed    []byte         `json:"sec"`
	Key       string         `json:"key"`
	Algorithm totp.Algorithm `json:"alg,omitempty"`
	Digits    int            `json:"dig"`
	Weak      bool           `json:"weak,omitempty"`
	Last      int64          `json:"last,omitempty"`
	Steps     jsonSteps      `json:"steps,omitempty"`
	Base      int            `json:"base,omitempty"`
	Created   int64          `json:"at"`
	LastUsed  int64          `json:"used,omitempty"`
}

type jsonSteps [][2]int64

func (s jsonSteps) MarshalJSON() ([]byte, error) {
	flat, at := make([]int64, 0, 2*len(s)), int64(0)
	for _, r := range s {
		flat, at = append(flat, r[0]-at, r[1]-r[0]), r[1]
	}
	return json.Marshal(flat)
}

func (s *jsonSteps) UnmarshalJSON(data []byte) error {
	var flat []int64
	if err := json.Unmarshal(data, &flat); err != nil || len(flat)%2 != 0 {
		return errors.New("no steps")
	}
	at := int64(0)
	for i := 0; i < len(flat); i += 2 {
		from := at + flat[i]
		at = from + flat[i+1]
		*s = append(*s, [2]int64{from, at})
	}
	return nil
}

type jsonSet struct {
	ID           string     `json:"id"`
	Slots        []jsonSlot `json:"slots"`
	Created      int64      `json:"at"`
	Acknowledged int64      `json:"ack,omitempty"`
	Tags         *jsonTags  `json:"tags,omitempty"`
}

type jsonSlot struct {
	Selector string `json:"s"`
	Hash     string `json:"h,omitempty"`
	Used     int64  `json:"u,omitempty"`
	Tag      string `json:"tag,omitempty"`
}

type jsonTags struct {
	Key   string `json:"key"`
	Check string `json:"check"`
}

type jsonThrottle struct {
	Failures int             `json:"f,omitempty"`
	Until    int64           `json:"u,omitempty"`
	Days     []core.DayCount `json:"d,omitempty"`
	Alarm    jsonAlarm       `json:"a,omitzero"`
}

type jsonAlarm struct {
	At    int64 `json:"t"`
	Count int64 `json:"c"`
}

type jsonBucket struct {
	Full int64 `json:"t,omitempty"`
}

type jsonEvent struct {
	Kind     int    `json:"k"`
	At       int64  `json:"t"`
	Method   int    `json:"m,omitempty"`
	Auth     string `json:"a,omitempty"`
	Token    string `json:"tk,omitempty"`
	Name     string `json:"n,omitempty"`
	Operator string `json:"o,omitempty"`
	Detail   string `json:"d,omitempty"`
	Count    int    `json:"c,omitempty"`
	First    int64  `json:"f,omitempty"`
	Number   int64  `json:"i,omitempty"`
}

type jsonToken struct {
	Format        int           `json:"v"`
	Kind          tokens.Kind   `json:"k"`
	Name          string        `json:"n"`
	Scopes        tokens.Scopes `json:"s"`
	Resources     *[]string     `json:"r,omitempty"`
	Networks      *[]string     `json:"c,omitempty"`
	Digest        []byte        `json:"h"`
	Generation    int           `json:"g,omitempty"`
	Lines         [][]byte      `json:"ln"`
	Created       int64         `json:"at"`
	NotBefore     int64         `json:"nb,omitempty"`
	Expires       int64         `json:"exp"`
	Revoked       int64         `json:"rev,omitempty"`
	Lifetime      int64         `json:"life"`
	Warned        int           `json:"w,omitempty"`
	Epoch         int64         `json:"te"`
	How           core.Kind     `json:"how"`
	AMR           string        `json:"amr,omitempty"`
	ProofAt       int64         `json:"pt"`
	Vouched       int64         `json:"vt"`
	NeedsFactor   bool          `json:"2f,omitempty"`
	RotatesItself bool          `json:"self,omitempty"`
	Ancestry      []byte        `json:"b,omitempty"`
}

// inJSON returns what the account of a benchmark would be.
func inJSON(a core.Account) jsonAccount {
	j := jsonAccount{
		Format: 1, TOTPThrottle: jsonThrottle{a.TOTPThrottle.Failures, a.TOTPThrottle.Until, a.TOTPThrottle.Days, jsonAlarm(a.TOTPThrottle.Alarm)},
		RecoveryThrottle: jsonBucket(a.RecoveryThrottle), Misses: jsonBucket(a.Misses), SignIns: a.SignIns, Noted: a.Noted, LookedAt: a.LookedAt,
		Epoch: a.Epoch, Since: a.Since, TokenEpoch: a.TokenEpoch, Minted: a.Minted, Imported: a.Imported, Ancestry: a.Ancestry,
	}
	for _, x := range a.Authenticators {
		j.Authenticators = append(j.Authenticators, jsonAuthenticator{x.ID, x.Name, x.Sealed, x.Key, x.Algorithm, x.Digits, x.Weak, x.Last, jsonSteps(x.Steps), x.Base, x.Created, x.LastUsed})
	}
	if r := a.Recovery; r != nil {
		j.Recovery = &jsonSet{ID: r.ID, Created: r.Created, Acknowledged: r.Acknowledged, Tags: &jsonTags{r.Tags.Key, hex.EncodeToString([]byte(r.Tags.Check))}}
		for _, s := range r.Slots {
			j.Recovery.Slots = append(j.Recovery.Slots, jsonSlot{s.Selector, s.Hash.Text(), s.Used, hex.EncodeToString([]byte(s.Tag))[:5]})
		}
	}
	for _, e := range a.Activity {
		j.Activity = append(j.Activity, jsonEvent{slices.Index(event.Kinds(), e.Kind) + 1, e.At, len(e.Method) / 4, e.Auth, e.Token, e.Name, e.Operator, e.Detail, e.Count, e.First, e.Number})
	}
	return j
}

// tokenInJSON returns the record of a token by the names of its fields.
func tokenInJSON(t storedToken) jsonToken {
	j := jsonToken{Format: 1}
	to, from := reflect.ValueOf(&j).Elem(), reflect.ValueOf(t).Elem()
	for i := range to.NumField() {
		if value := from.FieldByName(to.Type().Field(i).Name); value.IsValid() {
			to.Field(i).Set(value.Convert(to.Field(i).Type()))
		}
	}
	return j
}

func fromJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}
