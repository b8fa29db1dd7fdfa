package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

func recordCommand() *cli.Command {
	return &cli.Command{
		Name: "record", Usage: "look at what is stored, for support",
		Commands: []*cli.Command{{
			Name: "show", Usage: "print what is stored of an account, or of a token, as JSON", ArgsUsage: "ACCOUNT | -token TOKEN-ID",
			Description: `Everything but what proves who somebody is: no secret, sealed or not, no hash of a code, no digest of a token.
For what it means there is status. A record that this command cannot read is told with the reason, and is not printed.` + examples(
				"gatehouse record show user-42 | jq .authenticators",
				"gatehouse record show -token 3FqW0yZkM1bXcT"),
			Flags:  []cli.Flag{&cli.StringFlag{Name: "token", Usage: "the token with this `TOKEN-ID`, as tokens list shows it"}},
			Action: showRecord,
		}},
	}
}

func showRecord(ctx context.Context, c *cli.Command) error {
	var account string
	if !c.IsSet("token") {
		args, err := arguments(c, "ACCOUNT")
		if err != nil {
			return err
		}
		account = args[0]
	} else if _, err := arguments(c); err != nil {
		return err
	}
	s, err := open(ctx, c, setting{})
	if err != nil {
		return err
	}
	defer s.close()
	var doc any
	if account != "" {
		doc, err = s.accountRecord(ctx, account)
	} else {
		doc, err = s.tokenRecord(ctx, c.String("token"))
	}
	if err != nil {
		return s.db.explain(ctx, err)
	}
	return printJSON(c, doc)
}

// recordStored is what is known of any record.
type recordStored struct {
	Version  string   `json:"version"`  // of this save
	Ancestry []string `json:"ancestry"` // the versions before, the latest first
	Bytes    int      `json:"bytes"`
}

func storedOf(version int64, a core.Ancestry, data []byte) recordStored {
	r := recordStored{strconv.FormatInt(version, 10), []string{}, len(data)}
	for v := range a.Versions() {
		r.Ancestry = append(r.Ancestry, strconv.FormatInt(v, 10))
	}
	return r
}

// moment returns Unix seconds for a document, nil for 0.
func moment(unix int64) *time.Time { return when(core.Time(unix)) }

type accountRecord struct {
	Account        string                `json:"account"`
	Stored         recordStored          `json:"stored"`
	Epoch          string                `json:"epoch"`
	TokenEpoch     string                `json:"token_epoch"`       // 0: the account was deleted
	FirstEpoch     string                `json:"first_token_epoch"` // the one that the account was made with
	SessionEpoch   string                `json:"session_epoch"`     // 0: nothing has ended browser sessions yet
	FirstFactors   *time.Time            `json:"first_factors_since"`
	SignIns        int64                 `json:"sign_ins"`
	Imported       string                `json:"imported"`
	ServiceOf      string                `json:"service_of"` // its owner, of a service account
	Services       []string              `json:"service_accounts"`
	Authenticators []authenticatorRecord `json:"authenticators"`
	Passkeys       []passkeyRecord       `json:"passkeys"`
	Handle         string                `json:"handle"` // the account's name for passkeys; empty: none yet
	Pending        *pendingRecord        `json:"pending"`
	RecoveryCodes  *codesRecord          `json:"recovery_codes"`
	Browsers       []browserRecord       `json:"browsers"` // the one with the latest second step last
	Throttles      throttlesRecord       `json:"throttles"`
	Reset          *resetRecord          `json:"reset"`
	Suspension     *suspensionRecord     `json:"suspension"`
	MintedOn       dayRecord             `json:"minted"`
	ActivityNoted  int64                 `json:"activity_noted"`
	ActivitySeen   int64                 `json:"activity_seen"`
	Activity       []activityRecord      `json:"activity"`
	AcceptedRisks  []riskRecord          `json:"accepted_risks"`
	Posture        []postureRecord       `json:"posture"`
}

type authenticatorRecord struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	Key           string     `json:"key"` // the name of the key that seals the secret
	Algorithm     string     `json:"algorithm"`
	Digits        int        `json:"digits"`
	Weak          bool       `json:"weak"`
	Created       *time.Time `json:"created"`
	LastUsed      *time.Time `json:"last_used"`
	LastStep      int64      `json:"last_step"`
	AcceptedSteps [][2]int64 `json:"accepted_steps"` // runs, both ends included
	Offset        int        `json:"offset"`         // of its clock, in steps
}

type passkeyRecord struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Credential string     `json:"credential"` // its ID, as browsers report it
	AAGUID     string     `json:"aaguid"`
	Transports []string   `json:"transports"`
	Verified   bool       `json:"user_verified"`
	Eligible   bool       `json:"backup_eligible"`
	BackedUp   bool       `json:"backed_up"`
	Attested   bool       `json:"attested"`
	Count      uint32     `json:"count"`
	Accepted   int64      `json:"accepted"`  // when the last challenge was issued that it has answered, in nanoseconds
	Suspected  int64      `json:"suspected"` // when the last one was issued, after that, whose answer looked like a copy's
	Created    *time.Time `json:"created"`
	LastUsed   *time.Time `json:"last_used"`
}

type pendingRecord struct {
	Passkey       bool                `json:"passkey"`
	Authenticator authenticatorRecord `json:"authenticator"`
	Replaces      string              `json:"replaces"`
	Expires       *time.Time          `json:"expires"`
	Tries         int                 `json:"tries"`
	RecoveryCodes *codesRecord        `json:"recovery_codes"`
}

type codesRecord struct {
	ID           string       `json:"id"`
	Created      *time.Time   `json:"created"`
	Acknowledged *time.Time   `json:"acknowledged"`
	Imported     bool         `json:"imported"`
	TagKey       string       `json:"tag_key"` // the name of the key of the codes' tags
	Codes        []codeRecord `json:"codes"`
}

// codeRecord is one code, of which nothing is shown that it could be found by.
type codeRecord struct {
	Used        *time.Time `json:"used"`
	EightDigits bool       `json:"eight_digits"`
	Tagged      bool       `json:"tagged"`
}

// browserRecord is a browser that was known once. Its digest is left out: nothing can be found by it.
type browserRecord struct {
	Since   *time.Time `json:"since"`
	Used    *time.Time `json:"used"`
	Address string     `json:"address"`
	Agent   string     `json:"agent"`
}

type throttlesRecord struct {
	Failures     int         `json:"failures"` // of browsers that are not known
	LockedUntil  *time.Time  `json:"locked_until"`
	Known        int         `json:"known_failures"` // of those that are
	KnownUntil   *time.Time  `json:"known_locked_until"`
	Days         []dayRecord `json:"failures_by_day"`
	Alarm        *time.Time  `json:"alarm"`
	AlarmCount   int64       `json:"alarm_count"`
	RecoveryFull *time.Time  `json:"recovery_full"`
	MissesFull   *time.Time  `json:"misses_full"`
}

type dayRecord struct {
	Day   string `json:"day"`
	Count int64  `json:"count"`
}

type resetRecord struct {
	Operator string     `json:"operator"`
	At       *time.Time `json:"at"`
	Expires  *time.Time `json:"code_expires"`
	Life     int64      `json:"code_life_seconds"`
	TagKey   string     `json:"tag_key"`
	Code     codeRecord `json:"code"`
}

type suspensionRecord struct {
	Operator string     `json:"operator"`
	Reason   string     `json:"reason"`
	At       *time.Time `json:"at"`
}

type activityRecord struct {
	Number        int64      `json:"number"`
	Kind          string     `json:"kind"`
	At            *time.Time `json:"at"`
	First         *time.Time `json:"first,omitempty"`
	Count         int        `json:"count,omitempty"`
	Method        string     `json:"method,omitempty"`
	Authenticator string     `json:"authenticator,omitempty"`
	Token         string     `json:"token,omitempty"`
	Service       string     `json:"service_account,omitempty"`
	Name          string     `json:"name,omitempty"`
	Operator      string     `json:"operator,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	SignIn        bool       `json:"sign_in,omitempty"`
	Address       string     `json:"address,omitempty"`
	Agent         string     `json:"agent,omitempty"`
}

type riskRecord struct {
	Control  string     `json:"control"`
	Operator string     `json:"operator"`
	Reason   string     `json:"reason"`
	At       *time.Time `json:"at"`
	Until    *time.Time `json:"until"`
}

type postureRecord struct {
	At    *time.Time `json:"at"`
	Model string     `json:"model"`
	Level int        `json:"level"`
	Score int        `json:"score"`
	Cause string     `json:"cause"`
}

func (s *session) accountRecord(ctx context.Context, id string) (accountRecord, error) {
	rec, err := s.store.LoadAccount(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return accountRecord{}, fmt.Errorf("nothing is stored of an account %s", shown(id))
	}
	if err != nil {
		return accountRecord{}, err
	}
	a, err := core.Decode(id, rec.Data)
	if err != nil {
		return accountRecord{}, err
	}
	t := a.TOTPThrottle
	doc := accountRecord{
		Account: a.ID, Stored: storedOf(rec.Version, a.Ancestry, rec.Data), Epoch: strconv.FormatInt(a.Epoch, 10), TokenEpoch: strconv.FormatInt(a.TokenEpoch, 10),
		FirstEpoch: strconv.FormatInt(a.Birth(), 10), SessionEpoch: strconv.FormatInt(a.SessionEpoch, 10),
		FirstFactors: moment(a.Since), SignIns: a.SignIns, Imported: map[core.ImportState]string{core.ImportOpen: "open", core.ImportEnded: "ended"}[a.Imported],
		ServiceOf: a.ServiceOf, Services: each(a.Services, func(id string) string { return id }),
		Authenticators: each(a.Authenticators, authenticatorOf), Passkeys: each(a.Passkeys, passkeyOf), Handle: handleOf(a.Handle), RecoveryCodes: codesOf(a.Recovery), MintedOn: dayOf(a.Minted),
		Browsers: each(a.Browsers, func(b core.Browser) browserRecord {
			return browserRecord{moment(b.Since), moment(b.Used), engine.Address(b.Client), string(b.Client.Agent)}
		}),
		Throttles:     throttlesRecord{t.Failures, moment(t.Until), t.Known.Failures, moment(t.Known.Until), each(t.Days, dayOf), moment(t.Alarm.At), t.Alarm.Count, moment(a.RecoveryThrottle.Full), moment(a.Misses.Full)},
		ActivityNoted: a.Noted, ActivitySeen: a.LookedAt, Activity: each(a.Activity, activityOf),
		AcceptedRisks: each(a.Accepted, func(x core.Acceptance) riskRecord {
			return riskRecord{x.Control, x.By, x.Why, moment(x.At), moment(x.Until)}
		}),
		Posture: each(a.History, func(h core.Snapshot) postureRecord {
			return postureRecord{moment(h.At), h.Model, h.Level, h.Score, string(h.Cause)}
		}),
	}
	if p := a.Pending; p != nil {
		doc.Pending = &pendingRecord{p.Passkey, authenticatorOf(p.Authenticator), p.Replace, moment(p.Expires), p.Tries, codesOf(p.Recovery)}
	}
	if r := a.Reset; r != nil {
		doc.Reset = &resetRecord{r.Operator, moment(r.At), moment(r.Expires), r.Life, tagKey(r.Code.Tags), codeOf(r.Code)}
	}
	if x := a.Suspension; x != nil {
		doc.Suspension = &suspensionRecord{x.Operator, x.Reason, moment(x.At)}
	}
	return doc, nil
}

// each returns what f makes of each, never nil.
func each[T, V any](list []T, f func(T) V) []V {
	out := make([]V, 0, len(list))
	for _, x := range list {
		out = append(out, f(x))
	}
	return out
}

func authenticatorOf(a core.Authenticator) authenticatorRecord {
	return authenticatorRecord{a.ID, a.Name, a.Key, algorithms[a.Algorithm], a.Digits, a.Weak, moment(a.Created), moment(a.LastUsed), a.Last,
		each(a.Steps, func(run [2]int64) [2]int64 { return run }), a.Base}
}

func passkeyOf(k core.Passkey) passkeyRecord {
	r := passkeyRecord{
		ID: k.ID, Name: k.Name, Credential: base64.RawURLEncoding.EncodeToString(k.Credential), AAGUID: uuid.UUID(k.AAGUID).String(), Transports: []string{},
		Verified: k.Verified, Eligible: k.Eligible, BackedUp: k.BackedUp, Attested: k.Attested, Count: k.Count, Accepted: k.Accepted, Suspected: k.Suspected,
		Created: moment(k.Created), LastUsed: moment(k.LastUsed),
	}
	for i, name := range core.Transports {
		if k.Transports>>i&1 != 0 {
			r.Transports = append(r.Transports, name)
		}
	}
	return r
}

func handleOf(h storage.Handle) string {
	if h == (storage.Handle{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func codesOf(s *core.RecoverySet) *codesRecord {
	if s == nil {
		return nil
	}
	return &codesRecord{s.ID, moment(s.Created), moment(s.Acknowledged), s.Imported, tagKey(s.Tags), each(s.Slots, codeOf)}
}

func codeOf(s core.Slot) codeRecord {
	return codeRecord{moment(s.Used), s.Digits != 0, s.Tag != ""}
}

func tagKey(t *core.Tags) string {
	if t == nil {
		return ""
	}
	return t.Key
}

// dayOf returns a day of UTC and its count, "" where there is none.
func dayOf(d core.DayCount) dayRecord {
	if d == (core.DayCount{}) {
		return dayRecord{}
	}
	return dayRecord{time.Unix(0, 0).UTC().AddDate(0, 0, int(d[0])).Format(time.DateOnly), d[1]}
}

func activityOf(e core.Event) activityRecord {
	return activityRecord{e.Number, string(e.Kind), moment(e.At), moment(e.First), e.Count, string(e.Method), e.Auth, e.Token, e.Service, e.Name, e.Operator, e.Detail,
		e.SignIn, engine.Address(e.Client), string(e.Client.Agent)}
}

type tokenRecord struct {
	ID            string       `json:"id"`
	Account       string       `json:"account"`
	Stored        recordStored `json:"stored"`
	Kind          string       `json:"kind"`
	Name          string       `json:"name"`
	Scopes        []string     `json:"scopes"`
	Resources     *[]string    `json:"resources"` // nil: not restricted
	Networks      *[]string    `json:"networks"`
	Rotations     int          `json:"rotations"`
	Grace         []copyRecord `json:"grace"`
	Lines         int          `json:"lines"`
	Created       *time.Time   `json:"created"`
	NotBefore     *time.Time   `json:"not_before"`
	Expires       *time.Time   `json:"expires"`
	Revoked       *time.Time   `json:"revoked"`
	Lifetime      int64        `json:"lifetime_seconds"`
	Warned        int          `json:"warned_days"`
	TokenEpoch    string       `json:"token_epoch"`
	OwnersEpoch   string       `json:"owners_token_epoch"` // another one: it was revoked with all tokens of the account
	FirstEpoch    string       `json:"first_token_epoch"`  // of the account that is told of it
	Proof         string       `json:"proof"`
	Operator      string       `json:"operator"` // of a service account's token
	ProofMethod   string       `json:"proof_method"`
	ProofAt       *time.Time   `json:"proof_at"`
	Vouched       *time.Time   `json:"vouched"`
	NeedsFactor   bool         `json:"needs_second_factor"`
	RotatesItself bool         `json:"rotates_itself"`
	LastUsed      *time.Time   `json:"last_used"`
}

// copyRecord is a rotated copy that was in its grace.
type copyRecord struct {
	Until *time.Time `json:"until"`
	Told  bool       `json:"presented_to_rotate"`
}

func (s *session) tokenRecord(ctx context.Context, id string) (tokenRecord, error) {
	rec, owner, err := s.store.LoadToken(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return tokenRecord{}, fmt.Errorf("nothing is stored of a token %s: the ID is the one that tokens list shows", shown(id))
	}
	if err != nil {
		return tokenRecord{}, err
	}
	t, err := engine.DescribeToken(id, rec.AccountID, rec.Data)
	if err != nil {
		return tokenRecord{}, err
	}
	return tokenRecord{
		ID: t.ID, Account: t.Account, Stored: storedOf(rec.Version, t.Ancestry, rec.Data), Kind: t.Kind, Name: t.Name, Scopes: t.Scopes,
		Resources: t.Resources, Networks: t.Networks, Rotations: t.Rotations,
		Grace: each(t.Grace, func(c engine.StoredCopy) copyRecord { return copyRecord{moment(c.Until), c.Told} }), Lines: t.Lines,
		Created: moment(t.Created), NotBefore: moment(t.NotBefore), Expires: moment(t.Expires), Revoked: moment(t.Revoked), Lifetime: t.Lifetime, Warned: t.Warned,
		TokenEpoch: strconv.FormatInt(t.Epoch, 10), OwnersEpoch: strconv.FormatInt(owner.TokenEpoch, 10), FirstEpoch: strconv.FormatInt(t.Birth, 10),
		Proof: map[core.Kind]string{core.Vouched: "first_factor", core.SecondFactor: "second_factor", core.OperatorsWord: "operator"}[t.Proof], Operator: t.Operator, ProofMethod: t.ProofMethod, ProofAt: moment(t.ProofAt),
		Vouched: moment(t.Vouched), NeedsFactor: t.NeedsFactor, RotatesItself: t.RotatesItself, LastUsed: when(rec.Usage.LastUsed),
	}, nil
}
