package event_test

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

func ExampleLog() {
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "at" || a.Key == "authenticator" {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime}))
	svc := gatehousetest.New(&testing.T{}, func(c *gatehouse.Config) { c.Observer = event.Log(logger) })
	_ = svc.Operator("abuse").Because("card was stolen").Suspend(context.Background(), "user-42")
	// Output: level=WARN msg=account.suspended event.kind=account.suspended event.account=user-42 event.operator=abuse event.reason="card was stolen"
}
