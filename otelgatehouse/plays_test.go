package otelgatehouse_test

import (
	"context"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// play prepares a call and returns it.
type play func(h *house, ctx context.Context) func(ctx context.Context) error

// do is a play that needs no preparation.
func do(f func(h *house, ctx context.Context) error) play {
	return func(h *house, _ context.Context) func(context.Context) error {
		return func(ctx context.Context) error { return f(h, ctx) }
	}
}

// second drops the first of two results.
func second[T any](_ T, err error) error { return err }

var request = tokens.Request{Name: canary, Scopes: tokens.Scopes{"notes:read"}}

// plays has each call once, as it succeeds.
var plays = map[string]play{
	"gatehouse.Service.Before":  do(func(h *house, ctx context.Context) error { return second(h.Before(ctx, ada)) }),
	"gatehouse.Service.Account": do(func(h *house, ctx context.Context) error { return second(h.Account(ctx, ada)) }),
	"gatehouse.SignIn.Challenge": do(func(h *house, ctx context.Context) error {
		return second(h.before.Challenge(ctx))
	}),
	"gatehouse.SignIn.Vouch": do(func(h *house, ctx context.Context) error {
		return second(h.before.Vouch(ctx, gatehouse.Session{Account: bob, Secret: canary}, gatehouse.FirstFactor{Method: "pwd"}))
	}),
	"gatehouse.Service.CheckChallenge": do(func(h *house, ctx context.Context) error {
		return second(h.CheckChallenge(ctx, gatehouse.Session{}, h.challenge))
	}),
	"gatehouse.Service.Answer": func(h *house, _ context.Context) func(context.Context) error {
		code := h.code()
		return func(ctx context.Context) error {
			return second(h.Answer(ctx, gatehouse.Session{Secret: canary}, h.challenge, code))
		}
	},
	"gatehouse.Service.StepUp": do(func(h *house, ctx context.Context) error {
		return second(h.StepUp(ctx, gatehouse.Session{Account: ada}, h.user.RecoveryCodes[0].Reveal()))
	}),
	"gatehouse.Service.Resync": func(h *house, _ context.Context) func(context.Context) error {
		app, at := h.user.Authenticator, h.Now().Add(5*time.Minute)
		first, next := app.Code(at), app.Code(at.Add(30*time.Second))
		h.hide(first, next)
		return func(ctx context.Context) error {
			return h.Resync(ctx, gatehouse.Session{}, h.challenge, h.user.AuthenticatorID, first, next)
		}
	},
	"gatehouse.Service.RedeemOperatorCode": func(h *house, ctx context.Context) func(context.Context) error {
		code, err := h.op().Reset(ctx, ada)
		if err != nil {
			h.t.Fatal(err)
		}
		h.hide(code.Reveal())
		challenge := h.Challenge(h.t, ada).Token.Reveal()
		return func(ctx context.Context) error {
			return second(h.RedeemOperatorCode(ctx, gatehouse.Session{}, challenge, code.Reveal()))
		}
	},
	"gatehouse.Service.CheckProof": do(func(h *house, ctx context.Context) error {
		return second(h.CheckProof(ctx, h.user.Session(), 0))
	}),
	"gatehouse.Service.Permissions": do(func(h *house, ctx context.Context) error {
		return second(h.Permissions(ctx, h.account, h.user.Session()))
	}),

	"gatehouse.Owner.BeginEnrollment": do(func(h *house, ctx context.Context) error {
		return second(h.owner().BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: canary, Name: canary}))
	}),
	"gatehouse.Owner.ConfirmEnrollment": enrolling(func(h *house, ctx context.Context, id, code string) error {
		return second(h.owner().ConfirmEnrollment(ctx, id, code))
	}),
	"gatehouse.Owner.CancelEnrollment": enrolling(func(h *house, ctx context.Context, id, _ string) error {
		return h.owner().CancelEnrollment(ctx, id)
	}),
	"gatehouse.Owner.AcknowledgeRecoveryCodes": do(func(h *house, ctx context.Context) error {
		return h.owner().AcknowledgeRecoveryCodes(ctx, h.set)
	}),
	"gatehouse.Owner.RegenerateRecoveryCodes": do(func(h *house, ctx context.Context) error {
		return second(h.owner().RegenerateRecoveryCodes(ctx))
	}),
	"gatehouse.Owner.RenameAuthenticator": do(func(h *house, ctx context.Context) error {
		return h.owner().RenameAuthenticator(ctx, h.user.AuthenticatorID, canary)
	}),
	"gatehouse.Owner.RemoveAuthenticator": func(h *house, ctx context.Context) func(context.Context) error {
		enrolling(func(h *house, ctx context.Context, id, code string) (err error) {
			h.user.Proof, err = h.owner().ConfirmEnrollment(ctx, id, code)
			return err
		})(h, ctx)(ctx)
		return func(ctx context.Context) error {
			return second(h.owner().RemoveAuthenticator(ctx, h.user.AuthenticatorID))
		}
	},
	"gatehouse.Owner.DisableTwoFactor": do(func(h *house, ctx context.Context) error {
		return second(h.owner().DisableTwoFactor(ctx))
	}),
	"gatehouse.Owner.Unlock": do(func(h *house, ctx context.Context) error {
		return h.owner().Unlock(ctx, event.MethodRecoveryCode)
	}),
	"gatehouse.Owner.ReviewActivity": do(func(h *house, ctx context.Context) error {
		return h.owner().ReviewActivity(ctx, 1)
	}),

	"gatehouse.Operator.Reset":   do(func(h *house, ctx context.Context) error { return second(h.op().Reset(ctx, ada)) }),
	"gatehouse.Operator.Unlock":  do(func(h *house, ctx context.Context) error { return h.op().Unlock(ctx, ada, event.MethodTOTP) }),
	"gatehouse.Operator.Suspend": do(func(h *house, ctx context.Context) error { return h.op().Suspend(ctx, ada) }),
	"gatehouse.Operator.Resume":  do(func(h *house, ctx context.Context) error { return h.op().Resume(ctx, ada) }),
	"gatehouse.Operator.PasswordChanged": do(func(h *house, ctx context.Context) error {
		return h.op().PasswordChanged(ctx, ada, gatehouse.RevokeTokens)
	}),
	"gatehouse.Operator.DeleteAccount": do(func(h *house, ctx context.Context) error { return second(h.op().DeleteAccount(ctx, bot)) }),
	"gatehouse.Operator.Import": do(func(h *house, ctx context.Context) error {
		return second(h.op().Import(ctx, bob, gatehouse.Import{Close: true}))
	}),
	"gatehouse.Operator.Reseal": do(func(h *house, ctx context.Context) error { return second(h.op().Reseal(ctx, "", nil)) }),
	"gatehouse.Operator.AfterRestore": do(func(h *house, ctx context.Context) error {
		return second(h.op().AfterRestore(ctx, gatehouse.Restoration{}, "", nil))
	}),

	"tokens.Service.Check": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Check(ctx, h.token.Token.Reveal(), netip.MustParseAddr(address)))
	}),
	"tokens.Service.List": do(func(h *house, ctx context.Context) error {
		for _, err := range h.tokens.List(ctx, ada) {
			if err != nil {
				return err
			}
		}
		return nil
	}),
	"tokens.Service.Live": do(func(h *house, ctx context.Context) error { return second(h.tokens.Live(ctx, h.account)) }),
	"tokens.Service.Get":  do(func(h *house, ctx context.Context) error { return second(h.tokens.Get(ctx, ada, h.token.Info.ID)) }),
	"tokens.Service.Mint": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Mint(ctx, h.user.Session(), request))
	}),
	"tokens.Service.Rotate": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Rotate(ctx, h.user.Session(), h.token.Info.ID, tokens.Rotation{}))
	}),
	"tokens.Service.Renew": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Renew(ctx, h.user.Session(), h.ended.Info.ID, time.Hour))
	}),
	"tokens.Service.RotateSelf": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.RotateSelf(ctx, h.token.Token.Reveal(), netip.Addr{}, tokens.Rotation{}))
	}),
	"tokens.Service.Revoke": do(func(h *house, ctx context.Context) error {
		return h.tokens.Revoke(ctx, h.user.Session(), h.token.Info.ID)
	}),
	"tokens.Service.RevokeAll": do(func(h *house, ctx context.Context) error { return h.tokens.RevokeAll(ctx, h.user.Session()) }),
	"tokens.Service.RevokePresented": do(func(h *house, ctx context.Context) error {
		return h.tokens.RevokePresented(ctx, h.token.Token.Reveal())
	}),
	"tokens.Operator.Revoke": do(func(h *house, ctx context.Context) error {
		return h.tokens.Operator(h.op()).Revoke(ctx, h.token.Info.ID)
	}),
	"tokens.Operator.RevokeAll": do(func(h *house, ctx context.Context) error { return h.tokens.Operator(h.op()).RevokeAll(ctx, ada) }),
	"tokens.Operator.Purge": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Operator(h.op()).Purge(ctx, h.Now(), "", nil))
	}),
	"tokens.Operator.WarnExpiring": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Operator(h.op()).WarnExpiring(ctx, "", nil))
	}),
	"tokens.Operator.CreateServiceAccount": do(func(h *house, ctx context.Context) error {
		return h.tokens.Operator(h.op()).CreateServiceAccount(ctx, canary+"-robot", ada)
	}),
	"tokens.Operator.Mint": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Operator(h.op()).Mint(ctx, bot, request))
	}),
	"tokens.Operator.Rotate": func(h *house, ctx context.Context) func(context.Context) error {
		m, err := h.tokens.Operator(h.op()).Mint(ctx, bot, request)
		if err != nil {
			h.t.Fatal(err)
		}
		h.hide(m.Token.Reveal(), m.Info.ID)
		return func(ctx context.Context) error {
			return second(h.tokens.Operator(h.op()).Rotate(ctx, m.Info.ID, tokens.Rotation{}))
		}
	},
	"tokens.Operator.Renew": do(func(h *house, ctx context.Context) error {
		return second(h.tokens.Operator(h.op()).Renew(ctx, h.robot.Info.ID, time.Hour))
	}),

	"posture.Service.Require": do(func(h *house, ctx context.Context) error { return h.judge.Require(ctx, h.user.Session(), "deploy") }),
	"posture.Service.Review":  do(func(h *house, ctx context.Context) error { return second(h.judge.Review(ctx, ada)) }),
	"posture.Service.ReviewOf": do(func(h *house, ctx context.Context) error {
		return second(h.judge.ReviewOf(ctx, h.account, nil))
	}),
	"posture.Service.History": do(func(h *house, ctx context.Context) error { return second(h.judge.History(ctx, ada)) }),
	"posture.Service.Preview": do(func(h *house, ctx context.Context) error {
		return second(h.judge.Preview(ctx, ada, (*posture.Trial).DisableTwoFactor))
	}),
	"posture.Service.PreviewOf": do(func(h *house, ctx context.Context) error {
		return second(h.judge.PreviewOf(ctx, h.account, nil, (*posture.Trial).DisableTwoFactor))
	}),
	"posture.Operator.Fleet": do(func(h *house, ctx context.Context) error {
		return second(h.judge.Operator(h.op()).Fleet(ctx, posture.Summary{}, nil))
	}),
	"posture.Operator.ShutOut": do(func(h *house, ctx context.Context) error {
		for _, err := range h.judge.Operator(h.op()).ShutOut(ctx, "deploy", "") {
			if err != nil {
				return err
			}
		}
		return nil
	}),
	"posture.Operator.Reviews": do(func(h *house, ctx context.Context) error {
		for _, err := range h.judge.Operator(h.op()).Reviews(ctx, "") {
			if err != nil {
				return err
			}
		}
		return nil
	}),
	"posture.Operator.AcceptRisk": do(func(h *house, ctx context.Context) error {
		return h.judge.Operator(h.op()).AcceptRisk(ctx, ada, posture.SecondAuthenticator, time.Time{})
	}),
	"posture.Operator.WithdrawRisk": do(func(h *house, ctx context.Context) error {
		return h.judge.Operator(h.op()).WithdrawRisk(ctx, ada, posture.SecondAuthenticator)
	}),
}

// enrolling is a play with a pending enrollment and the code that confirms it.
func enrolling(f func(h *house, ctx context.Context, id, code string) error) play {
	return func(h *house, ctx context.Context) func(context.Context) error {
		enr, err := h.owner().BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: canary, Name: canary})
		if err != nil {
			h.t.Fatal(err)
		}
		app, err := gatehousetest.Scan(enr.URI())
		if err != nil {
			h.t.Fatal(err)
		}
		code := app.Code(h.Now())
		h.hide(enr.ID, enr.Secret.Reveal(), code)
		return func(ctx context.Context) error { return f(h, ctx, enr.ID, code) }
	}
}
