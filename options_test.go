package gatehouse_test

import (
	"context"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Row F9: every method that takes options uses each of them, or refuses it with ErrInvalid before anything is
// looked at. The table has all such methods; "another" is what an option about somebody else makes of the call.
func TestEveryOptionIsUsedOrRefused(t *testing.T) {
	ctx := context.Background()
	const session, ofAccount, from = "InSession", "OfAccount", "From"
	options := map[string]gatehouse.Option{
		session:   gatehouse.InSession("a session"),
		ofAccount: gatehouse.OfAccount("somebody-else"),
		from:      gatehouse.From(netip.MustParseAddr("203.0.113.9")),
	}
	good := func(t *testing.T) *owner {
		model, err := posture.NewModel(posture.ModelConfig{})
		require.NoError(t, err)
		gates, err := posture.NewPolicy(model, posture.Gate{Action: "act", Controls: []string{posture.SecondFactor}})
		require.NoError(t, err)
		return newHouse(t, withTokens(t), func(c *gatehouse.Config) { c.Posture = gates }).enroll("user-42")
	}
	type method struct {
		uses    []string
		another error // of OfAccount, where it is used
		call    func(o *owner) func(opts ...gatehouse.Option) error
	}
	calls := map[string]method{
		"Answer": {[]string{session, ofAccount}, gatehouse.ErrDenied, func(o *owner) func(...gatehouse.Option) error {
			challenge := o.challenge()
			return func(opts ...gatehouse.Option) error {
				_, err := o.h.Answer(ctx, challenge, o.code(), opts...)
				return err
			}
		}},
		"Attest": {[]string{session, ofAccount}, gatehouse.ErrInvalid, func(o *owner) func(...gatehouse.Option) error {
			return func(opts ...gatehouse.Option) error {
				return attested(o, o.id, gatehouse.FirstFactor{Method: "pwd", At: o.h.clock()}, opts...)
			}
		}},
		"AuthenticateToken": {[]string{from}, nil, func(o *owner) func(...gatehouse.Option) error {
			text, _ := o.mint("logs:read")
			return func(opts ...gatehouse.Option) error { _, err := o.h.AuthenticateToken(ctx, text, opts...); return err }
		}},
		"CheckChallenge": {[]string{ofAccount}, gatehouse.ErrDenied, func(o *owner) func(...gatehouse.Option) error {
			challenge := o.challenge()
			return func(opts ...gatehouse.Option) error {
				_, err := o.h.CheckChallenge(ctx, challenge, opts...)
				return err
			}
		}},
		"CheckProof": {[]string{session, ofAccount}, gatehouse.ErrStepUpRequired, func(o *owner) func(...gatehouse.Option) error {
			return func(opts ...gatehouse.Option) error { _, err := o.h.CheckProof(ctx, o.proof, 0, opts...); return err }
		}},
		"Owner": {[]string{session, ofAccount}, gatehouse.ErrStepUpRequired, func(o *owner) func(...gatehouse.Option) error {
			return func(opts ...gatehouse.Option) error { return o.h.Owner(o.proof, opts...).RevokeAllTokens(ctx) }
		}},
		"RedeemOperatorCode": {[]string{session, ofAccount}, gatehouse.ErrDenied, func(o *owner) func(...gatehouse.Option) error {
			code, err := o.h.Operator("op").Because("lost").Reset(ctx, o.id)
			require.NoError(t, err)
			challenge := o.challenge()
			return func(opts ...gatehouse.Option) error {
				_, err := o.h.RedeemOperatorCode(ctx, challenge, code.Reveal(), opts...)
				return err
			}
		}},
		"Require": {[]string{session, ofAccount}, gatehouse.ErrStepUpRequired, func(o *owner) func(...gatehouse.Option) error {
			return func(opts ...gatehouse.Option) error { return o.h.Require(ctx, o.proof, "act", opts...) }
		}},
		"Resync": {[]string{ofAccount}, gatehouse.ErrDenied, func(o *owner) func(...gatehouse.Option) error {
			challenge := o.challenge()
			return func(opts ...gatehouse.Option) error {
				return o.h.Resync(ctx, challenge, o.auth, o.code(5), o.code(6), opts...)
			}
		}},
		"RotateToken": {[]string{from}, nil, func(o *owner) func(...gatehouse.Option) error {
			text, _ := o.mint("logs:read", func(r *tokens.Request) { r.RotatesItself = true })
			return func(opts ...gatehouse.Option) error {
				_, err := o.h.RotateToken(ctx, text, gatehouse.Rotation{Grace: time.Hour}, opts...)
				return err
			}
		}},
		"StepUp": {[]string{session, ofAccount}, gatehouse.ErrInvalid, func(o *owner) func(...gatehouse.Option) error {
			return func(opts ...gatehouse.Option) error { _, err := o.h.StepUp(ctx, o.id, o.code(), opts...); return err }
		}},
	}

	service := reflect.TypeFor[*gatehouse.Service]()
	for i := range service.NumMethod() {
		f := service.Method(i)
		if f.Type.IsVariadic() && f.Type.In(f.Type.NumIn()-1) == reflect.TypeFor[[]gatehouse.Option]() {
			require.Contains(t, calls, f.Name, "a method that takes options and is not in the table")
		}
	}
	for name, m := range calls {
		f, there := service.MethodByName(name)
		require.True(t, there && f.Type.IsVariadic(), name)
		uses := map[string]bool{}
		for _, use := range m.uses {
			uses[use] = true
		}
		for option, opt := range options {
			o := good(t)
			call := m.call(o)
			switch {
			case !uses[option]:
				o.h.unchanged(func() { require.ErrorIs(t, call(opt), gatehouse.ErrInvalid, "%s with %s", name, option) })
			case option == ofAccount:
				o.h.unchanged(func() { require.ErrorIs(t, call(opt), m.another, "%s with %s", name, option) })
				require.NoError(t, call(gatehouse.OfAccount(o.id)), "%s with %s", name, option)
			default:
				require.NoError(t, call(opt), "%s with %s", name, option)
			}
		}
	}
}

// Row F9: every method of an Owner refuses the option that proofs have no use for.
func TestOwnerRefusesOptions(t *testing.T) {
	o := newHouse(t, withTokens(t)).enroll("user-42")
	o.h.wait(totp.Period)
	owner := reflect.ValueOf(o.h.Owner(o.fresh(), gatehouse.From(netip.MustParseAddr("203.0.113.9"))))
	for i := range owner.NumMethod() {
		f, name := owner.Method(i), owner.Type().Method(i).Name
		in := []reflect.Value{reflect.ValueOf(context.Background())}
		for len(in) < f.Type().NumIn() {
			in = append(in, reflect.Zero(f.Type().In(len(in))))
		}
		o.h.unchanged(func() {
			out := f.Call(in)
			err, _ := out[len(out)-1].Interface().(error)
			require.ErrorIs(t, err, gatehouse.ErrInvalid, name)
		})
	}
}
