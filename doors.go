package gatehouse

import (
	"context"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/storage"
)

// The doors through which services that stand on a Service reach what it keeps to itself. Only this module can use them.
func init() {
	engine.Of = func(service any) *engine.Engine {
		s, _ := service.(*Service)
		if s == nil {
			return nil
		}
		return s.e
	}
	engine.ByOf = func(operator any) core.By { return operator.(Operator).by }
	engine.ViewOf = func(e *engine.Engine, a core.Account, browser []byte, env core.Env) any {
		return view(e, a, browser, env)
	}
	engine.WithinOf = func(operator any, tx storage.Transaction) (any, *engine.Within) {
		o := operator.(Operator)
		s := *o.s
		var w *engine.Within
		s.e, w = o.s.e.Within(tx)
		o.s = &s
		return o, w
	}
	engine.SignIn = func(ctx context.Context, signIn, session, factor any, by engine.SignedIn) (any, core.Account, error) {
		checked := core.FirstFactor{SignIn: true, Replaces: by.External}
		in := session.(Session)
		if by.KnownBrowser {
			checked.Browser = engine.BrowserDigests(in.Account, in.Browser)
		}
		return signIn.(SignIn).vouch(ctx, in, factor.(FirstFactor), checked)
	}
	engine.AccountOf = func(account any) core.Account { return redact.Open(account.(Account).record) }
}
