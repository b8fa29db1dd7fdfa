package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show an account: factors, locks, recent activity", ArgsUsage: "ACCOUNT",
		Description: "It needs no keys, changes nothing and shows no secret." + examples("gatehouse status user-42", "gatehouse status -json user-42 | jq .activity"),
		Flags:       []cli.Flag{windowFlag()},
		Action:      status,
	}
}

// accountStatus is the JSON of status.
type accountStatus struct {
	Account        string              `json:"account"`
	Protected      bool                `json:"protected"`
	Suspended      *time.Time          `json:"suspended"`
	Authenticators []authenticator     `json:"authenticators"`
	Pending        *pending            `json:"pending"`
	RecoveryCodes  recoveryCodes       `json:"recovery_codes"`
	Methods        map[string]*methods `json:"methods"`
	Reset          *resetState         `json:"reset"`
	Activity       []activity          `json:"activity"`
}

type authenticator struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`                // totp or passkey
	Algorithm string     `json:"algorithm,omitempty"` // of an app
	Digits    int        `json:"digits,omitempty"`
	Weak      bool       `json:"weak"` // imported with a short secret
	Passkey   *passkey   `json:"passkey,omitempty"`
	Created   *time.Time `json:"created"`
	LastUsed  *time.Time `json:"last_used"`
}

type passkey struct {
	UserVerified bool   `json:"user_verified"`
	Synced       bool   `json:"synced"` // it can be on several devices
	BackedUp     bool   `json:"backed_up"`
	Attested     bool   `json:"attested"`
	AAGUID       string `json:"aaguid"`
}

type pending struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	Expires   *time.Time `json:"expires"`
	TriesLeft int        `json:"tries_left"`
}

type recoveryCodes struct {
	Total        int        `json:"total"`
	Left         int        `json:"left"`
	Created      *time.Time `json:"created"`
	Acknowledged *time.Time `json:"acknowledged"`
	Imported     bool       `json:"imported"`
}

// methods is whether a method can be used; nil: the account has nothing for it.
type methods struct {
	State       string     `json:"state"` // open, locked or disabled
	LockedUntil *time.Time `json:"locked_until"`
}

type resetState struct {
	At          *time.Time `json:"at"`
	CodeExpires *time.Time `json:"code_expires"`
	CodeUsed    bool       `json:"code_used"`
	Imported    bool       `json:"imported"` // an import closed the account
}

type activity struct {
	At       *time.Time `json:"at"`
	Kind     string     `json:"kind"`
	Method   string     `json:"method,omitempty"`
	Name     string     `json:"name,omitempty"` // of an authenticator or a token
	Token    string     `json:"token,omitempty"`
	Control  string     `json:"control,omitempty"`
	Operator string     `json:"operator,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Count    int        `json:"count"`
}

func status(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ACCOUNT")
	if err != nil {
		return err
	}
	s, err := open(ctx, c, setting{})
	if err != nil {
		return err
	}
	defer s.close()
	account := args[0]
	var a gatehouse.Account
	if err = s.known(ctx, account); err == nil {
		a, err = s.svc.Account(ctx, account)
	}
	if err != nil {
		return s.db.explain(ctx, err)
	}
	doc := documentOf(a)
	if c.Bool("json") {
		return printJSON(c, doc)
	}
	return doc.print(s.out)
}

func documentOf(account gatehouse.Account) accountStatus {
	codes := account.RecoveryCodes
	d := accountStatus{
		Account: account.ID, Protected: account.Protected, Suspended: when(account.Suspended),
		Authenticators: []authenticator{}, Activity: []activity{},
		RecoveryCodes: recoveryCodes{codes.Total, codes.Left, when(codes.Created), when(codes.Acknowledged), codes.Imported},
		Methods: map[string]*methods{
			"totp":          methodOf(has(account, event.MethodTOTP), account.TOTP),
			"passkey":       methodOf(has(account, event.MethodPasskey), account.Passkey),
			"recovery_code": methodOf(codes.Left > 0, account.RecoveryCode),
		},
	}
	for _, a := range account.Authenticators {
		d.Authenticators = append(d.Authenticators, authenticatorIn(a))
	}
	if p := account.Pending; p != nil {
		d.Pending = &pending{p.ID, string(p.Kind), p.Name, when(p.Expires), p.TriesLeft}
	}
	if r := account.Reset; r != nil {
		d.Reset = &resetState{when(r.At), when(r.CodeExpires), r.CodeUsed, r.Imported}
	}
	for _, e := range account.Activity {
		a := activity{
			At: when(e.At), Kind: string(e.Kind), Name: e.AuthenticatorName + e.TokenName, Token: e.TokenID, Control: e.Control,
			Operator: e.OperatorID, Reason: e.Reason, Count: e.Count, Method: string(e.Method),
		}
		d.Activity = append(d.Activity, a)
	}
	return d
}

func has(a gatehouse.Account, kind event.Method) bool {
	return slices.ContainsFunc(a.Authenticators, func(a gatehouse.Authenticator) bool { return a.Kind == kind })
}

func authenticatorIn(a gatehouse.Authenticator) authenticator {
	out := authenticator{ID: a.ID, Name: a.Name, Kind: string(a.Kind), Weak: a.Weak, Created: when(a.Created), LastUsed: when(a.LastUsed)}
	if a.Kind == event.MethodPasskey {
		out.Passkey = &passkey{a.UserVerified, a.Synced, a.BackedUp, a.Attested, a.AAGUID}
	} else {
		out.Algorithm, out.Digits = algorithms[a.Algorithm], a.Digits
	}
	return out
}

var algorithms = map[totp.Algorithm]string{totp.SHA1: "SHA1", totp.SHA256: "SHA256", totp.SHA512: "SHA512"}

func methodOf(has bool, m gatehouse.MethodState) *methods {
	switch {
	case !has:
		return nil
	case m.Available:
		return &methods{State: "open"}
	case m.RetryAt.IsZero():
		return &methods{State: "disabled"}
	}
	return &methods{State: "locked", LockedUntil: when(m.RetryAt)}
}

func (m *methods) String() string {
	switch {
	case m == nil:
		return "none"
	case m.State == "disabled":
		return "disabled after too many wrong codes, until it is unlocked"
	case m.State == "locked":
		return "locked until " + at(*m.LockedUntil)
	}
	return "open"
}

func (d accountStatus) print(w io.Writer) error {
	t := table(w)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	second := "not needed: the password is enough"
	if d.Protected {
		second = "needed at sign-in"
	}
	line("account", "%s", shown(d.Account))
	if d.Suspended != nil {
		line("suspended", "since %s", at(*d.Suspended))
	}
	line("second step", "%s", second)
	if d.Reset != nil {
		d.Reset.print(line)
	}
	for _, a := range d.Authenticators {
		a.print(line)
	}
	if p := d.Pending; p != nil {
		name := shown(p.Name)
		if p.Kind == string(event.MethodPasskey) {
			name = strings.TrimSpace("a passkey " + p.Name)
		}
		line("pending", "%s, until %s, %d tries left", shown(name), at(*p.Expires), p.TriesLeft)
	}
	if d.Methods["totp"] != nil {
		line("codes of apps", "%s", d.Methods["totp"])
	}
	codes := "none"
	if r := d.RecoveryCodes; r.Total > 0 {
		codes = fmt.Sprintf("%d of %d left, made %s, saved %s, %s", r.Left, r.Total, at(deref(r.Created)), at(deref(r.Acknowledged)), d.Methods["recovery_code"])
	}
	line("recovery codes", "%s", codes)
	if err := t.Flush(); err != nil {
		return err
	}
	return printActivity(w, d.Activity)
}

func (r resetState) print(line func(name, format string, args ...any)) {
	code := "the operator code works until " + at(*r.CodeExpires)
	switch {
	case r.CodeUsed:
		code = "the operator code is used up"
	case r.CodeExpires.Before(time.Now()):
		code = "the operator code has expired"
	}
	name := "reset"
	if r.Imported {
		name = "closed by import"
	}
	line(name, "at %s, nothing enrolled since; %s", at(*r.At), code)
}

func (a authenticator) print(line func(name, format string, args ...any)) {
	if p := a.Passkey; p != nil {
		line("passkey", "%s, %s, added %s, last used %s", shown(a.Name), p, at(deref(a.Created)), at(deref(a.LastUsed)))
		return
	}
	weak := ""
	if a.Weak {
		weak = "; weak: its secret is short, so have it paired again"
	}
	line("authenticator", "%s, paired %s, last used %s%s", shown(a.Name), at(deref(a.Created)), at(deref(a.LastUsed)), weak)
}

// String says where a passkey is.
func (p *passkey) String() string {
	switch {
	case p.BackedUp:
		return "synced and backed up"
	case p.Synced:
		return "can be synced, not backed up"
	}
	return "on one device"
}

func printActivity(w io.Writer, all []activity) error {
	if len(all) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, "\nactivity, newest first"); err != nil {
		return err
	}
	t := table(w)
	for _, a := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", at(deref(a.At)), inWords.Replace(a.Kind), strings.Join(a.details(), ", "))
	}
	return t.Flush()
}

// details returns everything about an entry but its time and kind.
func (a activity) details() []string {
	var all []string
	for _, part := range []struct{ name, value string }{
		{"", strings.ReplaceAll(a.Method, "_", " ")}, {"", a.Name}, {"", a.Control}, {"by ", a.Operator}, {"because: ", a.Reason},
	} {
		if part.value != "" {
			all = append(all, part.name+shown(part.value)) // somebody may have written to the database
		}
	}
	if a.Count > 1 {
		all = append(all, fmt.Sprintf("%d times", a.Count))
	}
	return all
}

func deref(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// inWords makes words of a code, such as "recovery code used".
var inWords = strings.NewReplacer(".", " ", "_", " ")
