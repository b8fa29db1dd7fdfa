package otelgatehouse

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
)

// watcher is an engine.Watcher.
type watcher struct {
	*metrics
	tracer   trace.Tracer
	database string
}

// tries has the calls that take an attempt to prove the owner of an account: what for, and by which method where there
// is but one.
var tries = map[string]struct{ purpose, method string }{
	"gatehouse.Service.Answer":             {purpose: signIn},
	"gatehouse.Service.StepUp":             {purpose: stepUp},
	"gatehouse.Service.Resync":             {purpose: "resync", method: string(event.MethodTOTP)},
	"gatehouse.Service.RedeemOperatorCode": {purpose: "reset", method: string(event.MethodOperatorCode)},
	"passkey.Service.AnswerPasskey":        {purpose: signIn, method: string(event.MethodPasskey)},
	"passkey.Service.StepUp":               {purpose: stepUp, method: string(event.MethodPasskey)},
	"passkey.Service.SignIn":               {purpose: signIn, method: string(event.MethodPasskey)},
}

const (
	signIn     = "sign_in"
	stepUp     = "step_up"
	tokenCheck = "tokens.Service.Check"
	accepted   = "accepted"
	denied     = "denied"
)

// call is a call of a service, in its context.
type call struct {
	w       *watcher
	ctx     context.Context
	span    trace.Span
	name    string
	began   time.Time
	attempt atomic.Pointer[attempt] // what an event has told of it
}

// attempt is what became of one.
type attempt struct{ method, outcome string }

type inCall struct{}

// Call implements engine.Watcher.
func (w *watcher) Call(ctx context.Context, name string) (context.Context, func(engine.Ended)) {
	c := &call{w: w, name: name, began: time.Now()}
	ctx, c.span = w.tracer.Start(ctx, name)
	c.ctx = context.WithValue(ctx, inCall{}, c)
	return c.ctx, c.end
}

func (c *call) end(how engine.Ended) {
	code, fault := codeOf(how.Err)
	if try, ok := tries[c.name]; ok {
		c.tried(try.purpose, attempt{method: try.method, outcome: code})
	}
	if c.name == tokenCheck {
		c.checked(how, code)
	}
	took(c.ctx, c.w.calls, c.began, callLabels, c.name, code)
	end(c.span, code, fault)
}

// tried counts the attempt that the call was. An event of it says more than the error.
func (c *call) tried(purpose string, a attempt) {
	if told := c.attempt.Load(); told != nil {
		a.method = told.method
		if a.outcome == denied && told.outcome != "" {
			a.outcome = told.outcome
		}
	}
	if a.outcome == "" {
		a.outcome = accepted
	}
	c.w.attempt(c.ctx, c.span, purpose, a)
}

// attempt counts an attempt, and says in a span what became of it.
func (w *watcher) attempt(ctx context.Context, span trace.Span, purpose string, a attempt) {
	count(ctx, w.attempts, attemptLabels, purpose, a.method, a.outcome)
	say(span, attemptLabels, purpose, a.method, a.outcome)
}

// checked counts a token that was checked.
func (c *call) checked(how engine.Ended, code string) {
	outcome := code
	if code == "" || code == denied {
		outcome = how.Why
	}
	count(c.ctx, c.w.checks, checkLabels, outcome)
	say(c.span, checkLabels, outcome)
}

// Told implements engine.Watcher.
func (w *watcher) Told(ctx context.Context, e core.Event) {
	count(ctx, w.events, eventLabels, string(e.Kind), string(e.Method))
	c, _ := ctx.Value(inCall{}).(*call)
	if c == nil {
		return
	}
	a := attempt{method: string(e.Method)}
	switch e.Kind {
	case event.FirstFactorSignIn:
		a.outcome = accepted
		w.attempt(ctx, c.span, signIn, a)
		return
	case event.CodeAccepted:
		a.outcome = accepted
	case event.CodeDenied:
		a.outcome = e.Why.String()
	case event.ThrottledBurst:
		a.outcome = "locked"
	default:
		return
	}
	c.attempt.Store(&a)
}

// Argon2id implements engine.Watcher.
func (w *watcher) Argon2id(ctx context.Context, kind queue.Kind) (begun func(), ended func(error)) {
	of := "try"
	if kind == queue.Make {
		of = "make"
	}
	stage := w.stage(ctx, "argon2id.wait", w.waits, of)
	begun = func() {
		stage(nil)
		stage = w.stage(ctx, "argon2id.run", w.runs, of)
	}
	return begun, func(err error) { stage(err) }
}

// stage begins a part of a run of Argon2id, and returns what ends it.
func (w *watcher) stage(ctx context.Context, name string, h metric.Float64Histogram, kind string) func(error) {
	began := time.Now()
	_, span := w.tracer.Start(ctx, name)
	say(span, runLabels, kind)
	return func(err error) {
		code, fault := codeOf(err)
		took(ctx, h, began, runLabels, kind, code)
		end(span, code, fault)
	}
}

// end ends a span. The text of an error may say of whom it is, so that its code is all that goes out.
func end(span trace.Span, code string, fault bool) {
	if code != "" {
		say(span, errorLabels, code)
	}
	if fault {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
