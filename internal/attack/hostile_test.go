package attack_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

// hostile has texts that are nobody's code, proof, challenge or ID.
var hostile = map[string]string{
	"empty":                    "",
	"1 MiB of letters":         strings.Repeat("A", 1<<20),
	"1 MiB of digits":          strings.Repeat("1", 1<<20),
	"1 MiB of spaces":          strings.Repeat(" ", 1<<20),
	"1 MiB of NUL":             strings.Repeat("\x00", 1<<20),
	"256 bytes":                strings.Repeat("i", 256),
	"invalid UTF-8":            "user\xff\xfe42",
	"cut UTF-8":                "user-\xc3",
	"a surrogate":              "\xed\xa0\x80",
	"NUL":                      "user-42\x00",
	"a code and NUL":           "123456\x00",
	"a code and a line feed":   "123456\n",
	"a code and a space":       "123456 ",
	"a space and a code":       " 123456",
	"a code in two":            "123 456",
	"a code and a no-break":    "123456\u00a0",
	"a signed code":            "+123456",
	"a negative code":          "-123456",
	"a signed code of six":     "+12345",
	"five digits":              "12345",
	"seven digits":             "1234567",
	"nine digits":              "123456789",
	"one digit":                "1",
	"devanagari digits":        "१२३४५६",
	"arabic digits":            "١٢٣٤٥٦",
	"full-width digits":        "１２３４５６",
	"superscripts":             "¹²³⁴⁵⁶",
	"hexadecimal":              "0x12ab",
	"an exponent":              "1e0005",
	"a fraction":               "1234.5",
	"15 symbols":               "ABCD-EFGH-JKMN-PQR",
	"17 symbols":               "ABCD-EFGH-JKMN-PQRST",
	"a symbol no code has":     "ABCD-EFGH-JKMN-PQRU",
	"full-width symbols":       "ＡＢＣＤ-ＥＦＧＨ-ＪＫＭＮ-ＰＱＲＳ",
	"a code with a line break": "ABCD-EFGH\n-JKMN-PQRS",
	"JSON null":                "null",
	"a JSON object":            `{"$ne":null}`,
	"a JSON array":             `["123456"]`,
	"base64":                   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"SQL":                      "' OR 1=1 --",
	"a path":                   "../../etc/passwd",
	"a format":                 "%s%x%n",
	"a right-to-left override": "user\u202e42",
	"a line separator":         "user\u202842",
	"a colon":                  "Acme:ada",
	"a second secret":          "ada&secret=AAAAAAAAAAAAAAAAAAAAAAAAAA",
	"a second secret, escaped": "ada%26secret%3DAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"a zero-width space":       "\u200b",
}

// place is where a text goes into the exported API.
type place struct {
	call func(o *owner, text string) error
	// want returns what has to come back, nil for success. Where it is nil itself, success and
	// ErrInvalid will do.
	want func(text string) error
}

func always(err error) func(string) error { return func(string) error { return err } }

// named is for IDs: ErrInvalid for those that are none, else what an account that nobody knows gets.
func named(unknown error) func(string) error {
	return func(id string) error {
		if storage.CheckID(id) != nil {
			return gatehouse.ErrInvalid
		}
		return unknown
	}
}

func attested(o *owner, account string, f gatehouse.FirstFactor, secret ...string) error {
	_, err := o.h.Attest(context.Background(), account, f, secret...)
	return err
}

func begun(f face, e gatehouse.EnrollmentRequest) error {
	_, err := f.BeginEnrollment(context.Background(), e)
	return err
}

// places has every text that goes into the API, as "Function/parameter".
var places = func() map[string]place {
	ctx := context.Background()
	denied, stepUp, state := always(gatehouse.ErrDenied), always(gatehouse.ErrStepUpRequired), always(gatehouse.ErrPrecondition)
	gone := always(gatehouse.ErrNotFound)
	owned := func(o *owner) face { return o.h.Owner(o.proof) }
	forged := func(o *owner, text string) face { return o.h.Owner(gatehouse.ParseProof(text)) }
	operator := func(o *owner) operators { return o.h.Operator("op-1") }
	pwd := func(o *owner) gatehouse.FirstFactor {
		return gatehouse.FirstFactor{Method: "pwd", At: o.h.clock()}
	}
	return map[string]place{
		"New/issuer": {func(o *owner, s string) error {
			_, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: s, Keys: o.h.keys})
			return err
		}, nil},
		"Service.Permissions/proof": {func(o *owner, s string) error {
			may, err := forged(o, s).Permissions(ctx)
			require.Zero(o.h.t, may)
			return err
		}, always(nil)},
		"Service.CheckChallenge/token": {func(o *owner, s string) error {
			_, err := o.h.CheckChallenge(ctx, s)
			return err
		}, denied},
		"Session.Account": {func(o *owner, s string) error {
			_, err := o.h.Service.CheckProof(ctx, gatehouse.Session{Account: s, Proof: o.proof}, 0)
			return err
		}, stepUp},
		"InSession/session": {func(o *owner, s string) error {
			p := o.h.vouch("tied", s)
			others := []string{"", s + "x"}
			if s == "" { // it is tied to no session
				others = nil
			}
			for _, other := range others {
				_, err := o.h.Owner(p, other).RegenerateRecoveryCodes(ctx)
				require.ErrorIs(o.h.t, err, gatehouse.ErrStepUpRequired)
			}
			_, err := o.h.Owner(p, s).RegenerateRecoveryCodes(ctx)
			return err
		}, state},
		"ParseProof/s": {func(o *owner, s string) error {
			require.Equal(o.h.t, s, gatehouse.ParseProof(s).Reveal())
			return nil
		}, always(nil)},

		"SignIn.Vouch of Service/account": {func(o *owner, s string) error { return attested(o, s, pwd(o)) }, named(nil)},
		"SignIn.Vouch of Service/method": {func(o *owner, s string) error {
			return attested(o, o.id, gatehouse.FirstFactor{Method: s, At: o.h.clock()})
		}, nil},
		"SignIn.Challenge/account": {func(o *owner, s string) error {
			ch, err := o.h.Challenge(ctx, s)
			require.Equal(o.h.t, err != nil, ch.Step == gatehouse.Step(""))
			return err
		}, named(nil)},
		"Service.Before/account": {func(o *owner, s string) error {
			try, err := o.h.Before(ctx, s)
			require.Equal(o.h.t, err != nil, try == gatehouse.SignIn{})
			return err
		}, named(nil)},
		"SignIn.Vouch/method": {func(o *owner, s string) error {
			_, err := must(o.h.Before(ctx, o.id)).Vouch(ctx, gatehouse.Session{Account: o.id}, gatehouse.FirstFactor{Method: s, At: o.h.clock()})
			return err
		}, nil},
		"Service.Account/account":             {func(o *owner, s string) error { _, err := o.h.Account(ctx, s); return err }, named(nil)},
		"Service.Account of Activity/account": {func(o *owner, s string) error { _, err := o.h.Activity(ctx, s); return err }, named(nil)},
		"Service.Answer/challenge":            {func(o *owner, s string) error { _, err := o.h.Answer(ctx, s, o.code()); return err }, denied},
		"Service.Answer/code":                 {func(o *owner, s string) error { _, err := o.signIn(s); return err }, denied},
		"Service.StepUp/account": {func(o *owner, s string) error {
			_, err := o.h.StepUp(ctx, s, o.code())
			return err
		}, named(gatehouse.ErrDenied)},
		"Service.StepUp/code": {func(o *owner, s string) error { _, err := o.h.StepUp(ctx, o.id, s); return err }, denied},
		"Service.RedeemOperatorCode/challenge": {func(o *owner, s string) error {
			_, err := o.h.RedeemOperatorCode(ctx, s, o.codes[0].Reveal())
			return err
		}, denied},
		"Service.RedeemOperatorCode/code": {func(o *owner, s string) error {
			_, err := o.h.RedeemOperatorCode(ctx, o.challenge(), s)
			return err
		}, denied},
		"Service.Resync/challenge":     {func(o *owner, s string) error { return o.h.Resync(ctx, s, o.auth, o.code(), o.code(1)) }, denied},
		"Service.Resync/authenticator": {func(o *owner, s string) error { return o.h.Resync(ctx, o.challenge(), s, o.code(), o.code(1)) }, denied},
		"Service.Resync/first":         {func(o *owner, s string) error { return o.h.Resync(ctx, o.challenge(), o.auth, s, o.code()) }, denied},
		"Service.Resync/second":        {func(o *owner, s string) error { return o.h.Resync(ctx, o.challenge(), o.auth, o.code(), s) }, denied},

		"Service.Owner/p": {func(o *owner, s string) error { return begun(forged(o, s), gatehouse.EnrollmentRequest{Label: "ada"}) }, stepUp},
		"Owner.BeginEnrollment/label": {func(o *owner, s string) error {
			return begun(owned(o), gatehouse.EnrollmentRequest{Label: s})
		}, nil},
		"Owner.BeginEnrollment/name": {func(o *owner, s string) error {
			return begun(owned(o), gatehouse.EnrollmentRequest{Label: "ada", Name: s})
		}, nil},
		"Owner.BeginEnrollment/replace": {func(o *owner, s string) error {
			return begun(owned(o), gatehouse.EnrollmentRequest{Label: "ada", Replace: s + "?"})
		}, gone},
		"Owner.ConfirmEnrollment/p": {func(o *owner, s string) error {
			_, err := forged(o, s).ConfirmEnrollment(ctx, o.auth, o.code())
			return err
		}, stepUp},
		"Owner.ConfirmEnrollment/id": {func(o *owner, s string) error {
			_, err := owned(o).ConfirmEnrollment(ctx, s, o.code())
			return err
		}, gone},
		"Owner.ConfirmEnrollment/code": {func(o *owner, s string) error {
			st, err := o.h.Account(ctx, o.id)
			require.NoError(o.h.t, err)
			_, err = owned(o).ConfirmEnrollment(ctx, st.Pending.ID, s)
			return err
		}, denied},
		"Owner.CancelEnrollment/p":           {func(o *owner, s string) error { return forged(o, s).CancelEnrollment(ctx, o.auth) }, stepUp},
		"Owner.CancelEnrollment/id":          {func(o *owner, s string) error { return owned(o).CancelEnrollment(ctx, s) }, gone},
		"Owner.AcknowledgeRecoveryCodes/p":   {func(o *owner, s string) error { return forged(o, s).AcknowledgeRecoveryCodes(ctx, s) }, stepUp},
		"Owner.AcknowledgeRecoveryCodes/set": {func(o *owner, s string) error { return owned(o).AcknowledgeRecoveryCodes(ctx, s) }, gone},
		"Owner.RegenerateRecoveryCodes/p": {func(o *owner, s string) error {
			_, err := forged(o, s).RegenerateRecoveryCodes(ctx)
			return err
		}, stepUp},
		"Owner.RenameAuthenticator/p":    {func(o *owner, s string) error { return forged(o, s).RenameAuthenticator(ctx, o.auth, "A") }, stepUp},
		"Owner.RenameAuthenticator/id":   {func(o *owner, s string) error { return owned(o).RenameAuthenticator(ctx, s, "A") }, gone},
		"Owner.RenameAuthenticator/name": {func(o *owner, s string) error { return owned(o).RenameAuthenticator(ctx, o.auth, s) }, nil},
		"Owner.RemoveAuthenticator/p":    {func(o *owner, s string) error { _, err := forged(o, s).RemoveAuthenticator(ctx, o.auth); return err }, stepUp},
		"Owner.RemoveAuthenticator/id":   {func(o *owner, s string) error { _, err := owned(o).RemoveAuthenticator(ctx, s); return err }, gone},
		"Owner.DisableTwoFactor/p":       {func(o *owner, s string) error { _, err := forged(o, s).DisableTwoFactor(ctx); return err }, stepUp},
		"Owner.Unlock/p":                 {func(o *owner, s string) error { return forged(o, s).Unlock(ctx, event.MethodRecoveryCode) }, stepUp},

		"Service.Operator/id":     {func(o *owner, s string) error { return o.h.Operator(s).Resume(ctx, o.id) }, nil},
		"Operator.Because/reason": {func(o *owner, s string) error { return operator(o).Because(s).Resume(ctx, o.id) }, nil},
		"Operator.Reset/account": {func(o *owner, s string) error {
			code, err := operator(o).Reset(ctx, s)
			require.True(o.h.t, code.IsZero())
			return err
		}, named(gatehouse.ErrPrecondition)},
		"Operator.Unlock/account":  {func(o *owner, s string) error { return operator(o).Unlock(ctx, s, event.MethodTOTP) }, named(nil)},
		"Operator.Suspend/account": {func(o *owner, s string) error { return operator(o).Suspend(ctx, s) }, named(nil)},
		"Operator.Resume/account":  {func(o *owner, s string) error { return operator(o).Resume(ctx, s) }, named(nil)},
		"Operator.PasswordChanged/account": {func(o *owner, s string) error {
			return operator(o).PasswordChanged(ctx, s, gatehouse.RevokeTokens)
		}, named(nil)},
		"Operator.AfterRestore/cursor": {func(o *owner, s string) error {
			_, err := operator(o).AfterRestore(ctx, gatehouse.Restoration{}, s, nil)
			return err
		}, nil},
		"Operator.Reseal/cursor": {func(o *owner, s string) error { _, err := operator(o).Reseal(ctx, s, nil); return err }, nil},
		"posture.Operator.Reviews/after": {func(o *owner, s string) error {
			return operator(o).Reviews(ctx, s, func(string, posture.Review, error) bool { return true })
		}, nil},
		"Operator.DeleteAccount/account": {func(o *owner, s string) error { return deleted(operator(o).DeleteAccount(ctx, s)) }, named(nil)},
		"Operator.Import/account": {func(o *owner, s string) error {
			_, err := operator(o).Import(ctx, s, importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()}))
			return err
		}, named(nil)},
		"Operator.Import/name": {func(o *owner, s string) error {
			_, err := operator(o).Import(ctx, "imported", importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Name: s}))
			require.NoError(o.h.t, o.h.store.DeleteAccount(ctx, "imported"))
			return err
		}, nil},
		"Operator.Import/hash": {func(o *owner, s string) error {
			in := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()})
			in.RecoveryCodes = []recovery.Foreign{recovery.ForeignHash(s, 0)}
			r, err := operator(o).Import(ctx, "imported", in)
			require.Equal(o.h.t, []gatehouse.ImportOutcome{importBadHash}, r.RecoveryCodes)
			require.NoError(o.h.t, o.h.store.DeleteAccount(ctx, "imported"))
			return err
		}, always(nil)},
		"Operator.Import/code": {func(o *owner, s string) error {
			in := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()})
			in.RecoveryCodes = []recovery.Foreign{recovery.ForeignCode(s)}
			r, err := operator(o).Import(ctx, "imported", in)
			require.Len(o.h.t, r.RecoveryCodes, 1)
			require.NoError(o.h.t, o.h.store.DeleteAccount(ctx, "imported"))
			return err
		}, always(nil)},
		"Operator.Import/secret": {func(o *owner, s string) error {
			secret, _, _ := totp.ParseImported(s)
			in := importing(gatehouse.ImportAuthenticator{Secret: secret})
			in.Close = true
			r, err := operator(o).Import(ctx, "imported", in)
			require.Equal(o.h.t, r.Authenticators[0].Brought(), !r.Closed)
			require.NoError(o.h.t, o.h.store.DeleteAccount(ctx, "imported"))
			return err
		}, always(nil)},
	}
}()

// TestHostileText puts every hostile text everywhere. What comes back is an error of the package, and
// nothing is changed then.
func TestHostileText(t *testing.T) {
	t.Parallel()
	h, _ := judgedHouse(t)
	template := h.enroll("user-42")
	template.h.vouch("tied")
	template.mint("logs:read")
	template.proof = template.fresh()
	require.NoError(t, begun(template.h.Owner(template.proof), gatehouse.EnrollmentRequest{Label: "ada"}))
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			o := template.copy(t)
			h := o.h
			for what, text := range hostile {
				before := h.dump()
				err := p.call(o, text)
				if err != nil {
					require.True(t, isAnswer(err), "%s: %v", what, err)
					require.Equal(t, before, h.dump(), what)
					require.Less(t, len(err.Error()), 300, "what came in does not go out")
					require.True(t, utf8.ValidString(err.Error()))
				}
				switch {
				case p.want == nil && err != nil:
					require.ErrorIs(t, err, gatehouse.ErrInvalid, what)
				case p.want != nil && p.want(text) == nil:
					require.NoError(t, err, what)
				case p.want != nil:
					require.ErrorIs(t, err, p.want(text), what)
				}
			}
		})
	}
}

// TestHostileTextGoesEverywhere reads the package: whatever takes text or a struct of it is in places.
func TestHostileTextGoesEverywhere(t *testing.T) {
	exempt := map[string]string{
		"Session.Format":   "prints",
		"Service.Close":    "takes nothing",
		"SignIn.Challenge": "takes nothing", "SignIn.ExpectSecondFactor": "takes nothing", "MissingError.Error": "takes nothing",

		"tokens.Service.Operator": "takes an Operator, which checks", "posture.Service.Operator": "takes an Operator, which checks",
		"tokens.Service.Live": "takes an account that was loaded", "tokens.Service.As": "takes an account that was loaded",
		"posture.Service.ReviewOf": "takes an account that was loaded", "posture.Service.PreviewOf": "takes an account that was loaded",
		"tokens.Service.Of": "takes a service", "posture.Service.Of": "takes a service",
	}
	covered := map[string]bool{}
	for name := range places {
		function, _, _ := strings.Cut(name, "/")
		covered[function] = true
	}
	for _, name := range exportedCalls(t) {
		if exempt[name] == "" {
			require.True(t, covered[name], "%s is not in places", name)
		}
	}
}

// sources returns the package as it is in its files, without tests.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	require.NoError(t, err)
	var all []*ast.File
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			all = append(all, file)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// exportedCalls returns the exported functions and methods that take something besides a context: of the package, and of
// the services that stand on it.
func exportedCalls(t *testing.T) (names []string) {
	t.Helper()
	services := []string{"Service", "Operator", "Trial"}
	for _, dir := range []string{".", "tokens", "posture"} {
		for _, file := range sources(t, dir) {
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || !f.Name.IsExported() {
					continue
				}
				name, on := called(f)
				switch {
				case dir == "." && name != "":
					names = append(names, name)
				case slices.Contains(services, on) && name != "":
					names = append(names, dir+"."+name)
				}
			}
		}
	}
	require.Greater(t, len(names), 50)
	return names
}

// called returns the name of a function, and the type whose method it is. The name is empty where that type is not
// exported, or where it takes nothing.
func called(f *ast.FuncDecl) (name, on string) {
	if f.Recv == nil {
		return f.Name.Name, ""
	}
	recv := f.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	ident := recv.(*ast.Ident)
	// A method of a face is in places for its proof, even if it takes nothing else.
	if !ident.IsExported() || len(f.Type.Params.List) == 0 {
		return "", ident.Name
	}
	return ident.Name + "." + f.Name.Name, ident.Name
}

// TestHostileNumbers has numbers, enumerations and times out of their bounds.
func TestHostileNumbers(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	h.unchanged(func() {
		for _, e := range []gatehouse.EnrollmentRequest{
			{Digits: -6}, {Digits: 5}, {Digits: 7}, {Digits: 10}, {Digits: math.MaxInt}, {Digits: math.MinInt},
			{Algorithm: totp.SHA512 + 1}, {Algorithm: 255},
		} {
			e.Label = "ada"
			require.ErrorIs(t, begun(h.Owner(o.proof), e), gatehouse.ErrInvalid, "%+v", e)
		}
		for _, m := range []event.Method{"", event.MethodOperatorCode, "totp "} {
			require.ErrorIs(t, h.Owner(o.proof).Unlock(ctx, m), gatehouse.ErrInvalid)
			require.ErrorIs(t, h.Operator("op").Unlock(ctx, o.id, m), gatehouse.ErrInvalid)
		}
		for _, c := range []gatehouse.TokenChoice{0, gatehouse.RevokeTokens + 1, 255} {
			require.ErrorIs(t, h.Operator("op").PasswordChanged(ctx, o.id, c), gatehouse.ErrInvalid)
		}
	})

	edge := []struct {
		at  time.Time
		err error
	}{
		{time.Time{}, nil},
		{time.Unix(math.MinInt64, 0), gatehouse.ErrStepUpRequired},
		{time.Unix(math.MaxInt64, 0), gatehouse.ErrStepUpRequired},
		{time.Unix(1<<62, 0), gatehouse.ErrStepUpRequired},
		{h.clock().Add(-5*time.Minute - time.Second), gatehouse.ErrStepUpRequired},
		{h.clock().Add(-5 * time.Minute), nil},
		{h.clock().Add(30 * time.Second), nil},
		{h.clock().Add(31 * time.Second), gatehouse.ErrStepUpRequired},
	}
	for i, e := range edge {
		for _, id := range []string{"user-42", "nobody"} { // with a record and without
			before := h.dump()
			p, err := h.Attest(ctx, id, gatehouse.FirstFactor{Method: "pwd", At: e.at})
			if e.err == nil {
				require.NoError(t, err, "%d: %v", i, e.at)
				require.NoError(t, h.store.DeleteAccount(ctx, "nobody"))
				continue
			}
			require.ErrorIs(t, err, e.err, "%d: %v", i, e.at)
			require.True(t, p.IsZero())
			require.Equal(t, before, h.dump())
		}
	}
}

// TestConfig leaves out or spoils one field of a Config at a time.
func TestConfig(t *testing.T) {
	spoil := map[string]func(c *settings){
		"no issuer": func(c *settings) { c.Issuer = "" },
		"no keys":   func(c *settings) { c.Keys = nil },
		"zero keys": func(c *settings) { c.Keys = &keyring.Ring{} },
		"no keys, but a sealer": func(c *settings) {
			c.Sealer, c.Keys = c.Keys, nil
		},
		"past window":  func(c *settings) { c.Window = &totp.Window{Past: -1} },
		"ahead window": func(c *settings) { c.Window = &totp.Window{Ahead: 3} },
		"cheap":        func(c *settings) { c.Recovery = recovery.Params{Memory: 8} },
		"dear":         func(c *settings) { c.Recovery = recovery.Params{Memory: 1 << 30, Time: 1, Threads: 1} },
		"endless":      func(c *settings) { c.Recovery = recovery.Params{Memory: 8, Time: math.MaxUint32, Threads: 1} },
		"many threads": func(c *settings) { c.Recovery = recovery.Params{Memory: 8 << 10, Time: 1, Threads: 255} },
	}
	for name, f := range spoil {
		c := settings{Config: gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()}}
		f(&c)
		s, err := gatehouse.New(memory.New(), c.Config)
		require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
		require.Nil(t, s)
	}
	_, err := gatehouse.New(nil, gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	require.ErrorIs(t, err, gatehouse.ErrInvalid)
	s, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	require.NoError(t, err, "all else has a default")
	try, err := s.Before(context.Background(), "user-42")
	require.NoError(t, err)
	_, err = try.Vouch(context.Background(), gatehouse.Session{Account: "user-42"}, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	require.NoError(t, err)
}

// TestIDsNeverAlias has accounts that look alike to people, collations and file systems.
func TestIDsNeverAlias(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	alike := []string{
		"user-é", "user-e\u0301", "user-e", "User-é", "USER-É", "user-é ", " user-é", "user-é\t", "user-é\n", "user-é\u00a0",
		"user-é\u200b", "user‐é", "ｕser-é", "user-é.", "user-%C3%A9", strings.Repeat("x", 254), strings.Repeat("x", 255),
		strings.Repeat("<", 255), strings.Repeat("\x01", 255), "ss", "ß", "ı", "i", "İ", "K", "\u212a",
	}
	owners := map[string]*owner{}
	for _, id := range alike {
		o := h.enroll(id)
		require.Nil(t, owners[id])
		owners[id] = o
	}
	require.Len(t, h.records(), len(alike))
	for i, id := range alike {
		o, next := owners[id], owners[alike[(i+1)%len(alike)]]
		h.unchangedBut(next.id, func() {
			_, err := h.StepUp(ctx, next.id, o.codes[0].Reveal())
			require.ErrorIs(t, err, gatehouse.ErrDenied, "%q on %q", id, next.id)
			_, err = h.StepUp(ctx, next.id, o.code())
			require.ErrorIs(t, err, gatehouse.ErrDenied, "%q on %q", id, next.id)
		})
		v, err := o.signIn(o.codes[0].Reveal())
		require.NoError(t, err, "%q: its code was not used up by the other", id)
		require.Equal(t, id, v.Session.Account)
		require.Less(t, len(v.Session.Proof.Reveal()), 4096)
		require.Less(t, len(o.challenge()), 4096)
	}
}

// unchangedBut fails the test if f changes any account but one.
func (h *house) unchangedBut(id string, f func()) {
	h.t.Helper()
	others := func() []storage.Record {
		return slices.DeleteFunc(h.records(), func(r storage.Record) bool { return r.ID == id })
	}
	before := others()
	f()
	require.Equal(h.t, before, others())
}
