package attack_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"go/ast"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// canaries are secrets that must not be found anywhere: in lower case, every form that fmt and
// encoders give them, and what it is.
type canaries map[string]string

// add takes in a secret. Of a long one it takes the ends, so that a cut one is found too.
func (c canaries) add(what, secret string) {
	parts := []string{secret}
	if len(secret) > 24 {
		parts = []string{secret[:20], secret[len(secret)-20:]}
	}
	for _, part := range parts {
		b := []byte(part)
		forms := []string{
			part, hex.EncodeToString(b), fmt.Sprintf("% x", b), strings.Trim(fmt.Sprint(b), "[]"),
			strings.Trim(fmt.Sprintf("%#v", b), "[]byte{}"),
		}
		// In the base64 of something longer it stands at one of three offsets.
		for skip := range 3 {
			s := base64.RawStdEncoding.EncodeToString(append(make([]byte, skip), b...))
			s = s[[]int{0, 2, 3}[skip] : len(s)-2]
			forms = append(forms, s, strings.NewReplacer("+", "-", "/", "_").Replace(s))
		}
		for _, form := range forms {
			c[strings.ToLower(form)] = what
		}
	}
}

// found returns which canary is in out.
func (c canaries) found(out string) string {
	out = strings.ToLower(out)
	for form, what := range c {
		if strings.Contains(out, form) {
			return what
		}
	}
	return ""
}

// nest returns a value and what can hold it, in fields that fmt may call methods on and in those it
// may not.
func nest[T any](v T) []any {
	p := &v
	return []any{
		v, p, &p, []T{v}, [1]T{v}, []*T{p}, map[string]T{"k": v}, map[string]any{"k": v},
		struct{ V T }{v}, struct{ v T }{v}, &struct{ v T }{v}, struct{ v *T }{p}, struct{ v []T }{[]T{v}},
		struct{ v any }{v}, struct{ v map[string]T }{map[string]T{"k": v}}, struct{ s struct{ v T } }{struct{ v T }{v}},
		[]any{v}, struct{ v [][]T }{[][]T{{v}}}, func() T { return v },
	}
}

// printed returns everything that fmt, slog and encoders make of a value.
func printed(v any) string {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%+s", "%#s", "%q", "%x", "% x", "%#X", "%d", "%t", "%c", "%e", "%p", "%w", "%300.9v"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	fmt.Fprintln(&out, v)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		l := slog.New(h)
		l.Info(fmt.Sprint(v), "v", v, slog.Group("g", slog.Any("v", v)))
		l.With("v", v).Info("")
	}
	if b, err := json.Marshal(v); err == nil {
		out.Write(b)
	} else {
		fmt.Fprint(&out, err)
	}
	if b, err := xml.Marshal(v); err == nil {
		out.Write(b)
	}
	_ = calm(func() error { return gob.NewEncoder(&out).Encode(v) }) // gob itself panics for some pointers to pointers
	return out.String()
}

// cage is an owner whose every secret is a canary.
type cage struct {
	*owner
	canaries
	raw    map[string]string // the secrets themselves
	enr    gatehouse.Enrollment
	v      gatehouse.Verification
	fresh  gatehouse.RecoveryCodes
	ch     gatehouse.Challenge
	minted tokens.Minted
	events *bytes.Buffer // as LogEvents writes them
}

func newCage(t *testing.T) *cage {
	t.Helper()
	log := new(bytes.Buffer)
	ctx := context.Background()
	h := newHouse(t, withTokens(t), judged(t, policyOf(t, posture.ModelConfig{}), &hostFacts{}), observed(event.Log(slog.New(slog.NewJSONHandler(log, nil)))))
	proof := h.vouch("user-42")
	enr, key := h.begin(proof, gatehouse.EnrollmentRequest{Digits: 8})
	o := &owner{h: h, id: "user-42", key: key, auth: enr.ID, codes: enr.RecoveryCodes}
	var err error
	o.proof, err = h.Owner(proof).ConfirmEnrollment(ctx, enr.ID, o.code())
	require.NoError(t, err)
	h.wait(totp.Period)
	ch := must(h.Challenge(ctx, o.id))
	fresh := must(h.Owner(o.proof).RegenerateRecoveryCodes(ctx))
	raw := map[string]string{
		"secret": key.Secret.Reveal(), "URI": enr.URI(), "attestation": proof.Reveal(), "proof": o.proof.Reveal(),
		"challenge": ch.Token.Reveal(), "keys": h.keys.Reveal(), "successor": fresh.Proof.Reveal(),
		"code": o.code(), "next code": o.code(1), // of eight digits, so that none is met by chance
		"old recovery code": enr.RecoveryCodes[1].Reveal(), "new recovery code": fresh.Codes[1].Reveal(),
	}
	o.codes, o.proof = fresh.Codes, fresh.Proof
	v := must(o.signIn(o.codes[0].Reveal()))
	raw["sign-in's proof"] = v.Session.Proof.Reveal()
	minted := must(h.Owner(o.proof).Mint(ctx, tokens.Request{Name: "ci", Scopes: scopesOf(t, "logs:read")}))
	raw["token"] = minted.Token.Reveal()[23:]
	c := canaries{}
	for what, secret := range raw {
		c.add(what, secret)
		c.add(what, strings.ReplaceAll(secret, "-", ""))
	}
	_, keyText, _ := strings.Cut(h.keys.Reveal(), ":")
	keyBytes, err := base64.StdEncoding.DecodeString(keyText)
	require.NoError(t, err)
	c.add("key", keyText)
	c.add("key", string(keyBytes))
	return &cage{o, c, raw, enr, v, fresh, ch, minted, log}
}

// TestCanary prints every exported type in every way.
func TestCanary(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o := newCage(t)
	h, enr, v, fresh, ch := o.h, o.enr, o.v, o.fresh, o.ch
	for _, secret := range []string{"secret", "proof", "challenge", "code", "new recovery code"} { // the net has no holes
		s := o.raw[secret]
		for _, out := range []any{s, []byte(s), "x" + s + "y", base64.StdEncoding.EncodeToString([]byte("xy" + s + "z")), hex.EncodeToString([]byte(s))} {
			require.Equal(t, secret, o.found(fmt.Sprint("a ", out)))
		}
		require.Equal(t, secret, o.found(printed(struct{ v []byte }{[]byte(s)})))
	}

	config := gatehouse.Config{Issuer: "Acme", Keys: h.keys, Sealer: h.keys, Window: &totp.Window{Past: 1}, Now: h.clock}
	svc, err := gatehouse.New(memory.New(), config)
	require.NoError(t, err)
	// One that is not printed: a first use is told on the side, while fmt would look.
	unprinted := &house{t: t, store: h.store, keys: h.keys, now: h.clock()}
	quiet := settings{Config: config}
	withTokens(t)(&quiet)
	unprinted.open(quiet)
	_, denied := o.signIn(o.code())
	require.NoError(t, denied)
	_, denied = o.signIn(o.code())
	status := must(h.Account(ctx, o.id))
	activity := must(h.Activity(ctx, o.id))
	require.NotEmpty(t, activity)
	imported := gatehouse.Import{
		Authenticators: []gatehouse.ImportAuthenticator{{Secret: enr.Secret, Name: "Old"}}, RecoveryCodes: []recovery.Foreign{recovery.ForeignCode(o.raw["code"])},
	}

	brought, err := h.Operator("migration").Import(ctx, "user-7", gatehouse.Import{Close: true})
	require.NoError(t, err)
	o.add("operator's code", brought.Code.Reveal())
	o.add("operator's code", strings.ReplaceAll(brought.Code.Reveal(), "-", ""))

	keyed := o.passkey(t)
	require.Contains(t, o.events.String(), "passkey.suspect")

	// A host may give its session's ID.
	session := gatehouse.Session{Account: o.id, Secret: "5e551on-of-the-host", Proof: o.proof}
	o.add("session's secret", session.Secret)

	values := map[string][]any{
		"Authenticator":       nest(status.Authenticators[0]),
		"Challenge":           nest(ch),
		"ChallengeToken":      nest(ch.Token),
		"Config":              nest(config),
		"DeniedError":         nest(*denied.(*gatehouse.DeniedError)),
		"MissingError":        nest(gatehouse.MissingError{AccountID: "user-42"}),
		"SignIn":              nest(must(h.Before(ctx, o.id))),
		"EnrollmentRequest":   nest(gatehouse.EnrollmentRequest{Label: "ada"}),
		"PendingEnrollment":   nest(gatehouse.PendingEnrollment{ID: enr.ID}),
		"Enrollment":          append(nest(enr), nest(keyed)...),
		"event.Event":         nest(activity[0]),
		"FirstFactor":         nest(gatehouse.FirstFactor{Method: "pwd", At: h.clock()}),
		"Import":              nest(imported),
		"ImportAuthenticator": nest(imported.Authenticators[0]),
		"ImportOutcome":       nest(importWeak),
		"ImportResult":        nest(brought),
		"event.Method":        nest(event.MethodTOTP),
		"MethodState":         nest(status.TOTP),
		"RecoveryCodes":       nest(fresh),
		"event.Observer":      nest[event.Observer](event.Log(slog.New(slog.NewTextHandler(o.events, nil)))),
		"event.ObserverFunc":  nest(event.ObserverFunc(func(context.Context, event.Event) {})),
		"Operator":            nest(h.Operator("op-1").Because("lost phone")),
		"Owner":               nest(h.Service.Owner(session)),
		"Proof":               nest(o.proof),
		"RecoverySet":         nest(status.RecoveryCodes),
		"Restoration":         nest(gatehouse.Restoration{RevokeTokens: true}),
		"Reset":               nest(gatehouse.Reset{CodeUsed: true}),
		"Session":             nest(gatehouse.Session{Account: o.id, Secret: "session-1", Proof: o.proof}),
		"Service":             append(nest(svc), nest(h.Service)...),
		"Stats":               nest(h.Stats()),
		"Account":             nest(status),
		"AcceptedRisk":        nest(gatehouse.AcceptedRisk{Control: "c"}),
		"Step":                nest(ch.Step),
		"TokenChoice":         nest(gatehouse.KeepTokens),
		"Verification":        nest(v),
		"tokens.Grant":        nest(must(unprinted.Check(ctx, o.minted.Token.Reveal()))),
		"tokens.Minted":       nest(o.minted),
		"tokens.Rotation":     nest(tokens.Rotation{}),
		"tokens.Info":         nest(o.minted.Info),
		"tokens.State":        nest(tokens.StateActive),
		"Progress":            nest(gatehouse.Progress{Seen: 1}),
		"posture.Trial":       nest((*posture.Trial).AddAuthenticator),
		"posture.Summary":     nest(posture.Summary{Cursor: o.id}),
		"posture.GateError":   nest(posture.GateError{}),
		"Permissions":         nest(gatehouse.Permissions{}),
		"ProofInfo":           nest(must(h.CheckProof(ctx, o.proof, 0))),
		"posture.Snapshot":    nest(posture.Snapshot{Level: 1}),
		// What the exported types hold.
		"totp.Secret": nest(enr.Secret), "totp.QR": nest(enr.QR), "totp.Key": nest(o.key), "tokens.Token": nest(o.minted.Token), "recovery.Codes": nest(o.codes),
		"recovery.Code": nest(o.codes[0]), "*keyring.Ring": nest(h.keys), "storage.Store": nest(h.store),
	}
	for name, nested := range values {
		for i, value := range nested {
			require.Empty(t, o.found(printed(value)), "%s, in its form %d: %T", name, i, value)
		}
	}
	for _, name := range exportedTypes(t) {
		require.Contains(t, values, name, "an exported type that is not looked at")
	}
	require.Contains(t, o.events.String(), "code.accepted")
	require.Empty(t, o.found(o.events.String()), "events")

	// An encoder that is handed a secret says so.
	for name, value := range map[string]any{
		"Proof": o.proof, "ChallengeToken": ch.Token, "Challenge": ch, "Verification": v, "NewCodes": fresh, "Enrollment": enr, "Config.Keys": h.keys,
		"Import": imported, "ImportResult": brought, "MintedToken": o.minted,
	} {
		_, err := json.Marshal(value)
		require.Error(t, err, name)
		require.Error(t, gob.NewEncoder(new(bytes.Buffer)).Encode(value), name)
	}
}

// passkey has another account begin with a passkey, whose codes and challenge are canaries, and use it wrongly. The
// enrollment stays pending.
func (c *cage) passkey(t *testing.T) gatehouse.Enrollment {
	t.Helper()
	ctx := context.Background()
	in := gatehouse.Session{Account: "user-8", Secret: "5e551on-of-user-8", Proof: c.h.vouch("user-8", "5e551on-of-user-8")}
	d := c.h.device("user-8", "Stick")
	var err error
	in.Proof, err = d.add(ctx, in, engine.PasskeyRequest{})
	require.NoError(t, err)
	found := d.found
	found.BackedUp = true
	challenge, err := d.asked(ctx, in, core.PasskeyStepUp, nil)
	require.NoError(t, err)
	_, err = d.answer(ctx, in, core.PasskeyStepUp, challenge, nil, found)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.Empty(t, c.found(printed(err)))

	in = gatehouse.Session{Account: "user-9", Secret: "5e551on-of-user-9", Proof: c.h.vouch("user-9", "5e551on-of-user-9")}
	enr, err := c.h.device("user-9", "Stick").begin(ctx, in, engine.PasskeyRequest{})
	require.NoError(t, err)
	raw, err := engine.Of(c.h.Service).SealCeremony(ctx, c.h.account("user-9").PasskeyChallenge(core.PasskeyRegister, engine.Digest(in.Secret), nil, 1))
	require.NoError(t, err)
	for what, secret := range map[string]string{
		"passkey's proof": in.Proof.Reveal(), "session of a passkey": in.Secret, "ceremony": string(raw),
		"code of a passkey": enr.RecoveryCodes[2].Reveal(), "the same": strings.ReplaceAll(enr.RecoveryCodes[2].Reveal(), "-", ""),
	} {
		c.add(what, secret)
	}
	return enr
}

// exportedTypes returns the names of the package's exported types.
func exportedTypes(t *testing.T) (names []string) {
	t.Helper()
	for _, file := range sources(t, ".") {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				names = append(names, spec.Name.Name)
			}
			return true
		})
	}
	require.Greater(t, len(names), 20)
	return names
}

// TestCanaryInErrors hands every secret to everything that takes text, and looks into what comes back.
func TestCanaryInErrors(t *testing.T) {
	t.Parallel()
	o := newCage(t)
	texts := []string{
		o.minted.Token.Reveal(), o.minted.Token.Reveal() + "x", o.raw["secret"], o.raw["proof"], o.raw["challenge"], o.raw["keys"], o.raw["old recovery code"],
		o.raw["new recovery code"] + "X", o.raw["code"] + " ", o.raw["URI"],
	}
	errs := 0
	for name, p := range places {
		if strings.HasSuffix(name, "/reason") || strings.HasSuffix(name, "/name") || strings.HasSuffix(name, "/issuer") || name == "Service.Operator/id" {
			continue // what is named like a secret is shown
		}
		for _, text := range texts {
			c := o.copy(t)
			if name == "Owner.ConfirmEnrollment/code" {
				require.NoError(t, begun(c.h.Owner(c.proof), gatehouse.EnrollmentRequest{Label: "ada"}))
			}
			if err := p.call(c, text); err != nil {
				errs++
				for ; err != nil; err = unwrap(err) {
					require.Empty(t, o.found(printed(err)), name)
				}
			}
		}
	}
	require.Greater(t, errs, 200)
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

// TestCanaryInTheStore reads all that is stored, as whoever has a copy of the database does.
func TestCanaryInTheStore(t *testing.T) {
	ctx := context.Background()
	o := newCage(t)
	pending, key := o.h.begin(o.proof, gatehouse.EnrollmentRequest{Name: "Second"})
	o.add("pending secret", key.Secret.Reveal())
	o.add("pending URI", pending.URI())
	operatorCode, err := o.h.Operator("op-1").Reset(ctx, o.id)
	require.NoError(t, err)
	o.passkey(t)
	check := func() {
		for _, r := range o.h.records() {
			require.NotEmpty(t, r.Data)
			require.Empty(t, o.found(string(r.Data)))
			require.Empty(t, o.found(fmt.Sprintf("%q %+v %v", r.ID, r.Index, r.Data)))
		}
		for _, r := range o.h.tokenRecords() {
			require.Empty(t, o.found(string(r.Data)))
			require.Empty(t, o.found(fmt.Sprintf("%+v", r)))
		}
	}
	check()
	o.add("operator code", operatorCode.Reveal())
	o.add("operator code", strings.ReplaceAll(operatorCode.Reveal(), "-", ""))
	check()
	require.Contains(t, string(o.h.record(o.id).Data), string(o.h.account(o.id).Reset.Code.Hash), "it has what it should have")
}
