package notify_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

func Example() {
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keys, Notices: true})
	check(err)
	n, err := notify.New(svc, notify.Config{})
	check(err)

	ctx, stop := context.WithCancel(context.Background())
	sink := notify.SinkFunc(func(ctx context.Context, n event.Notice) error {
		fmt.Println(n.AccountID, n.Kind, n.Reason)
		stop() // a service goes on for as long as it lives
		return nil
	})
	check(svc.Operator("support").Because("a report of theft").Suspend(ctx, "user-42"))
	fmt.Println(n.Drain(ctx, sink))
	// Output:
	// user-42 account.suspended a report of theft
	// context canceled
}

func ExampleService_Lag() {
	ctx := context.Background()
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keys, Notices: true})
	check(err)
	n, err := notify.New(svc, notify.Config{})
	check(err)
	check(svc.Operator("support").Suspend(ctx, "user-42"))
	lag, err := n.Lag(ctx)
	check(err)
	fmt.Println(lag.Accounts, lag.Notices, time.Since(lag.Oldest) < time.Hour)
	// Output: 1 1 true
}

func ExampleLog() {
	few := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "at" || a.Key == "id" {
			return slog.Attr{}
		}
		return a
	}
	sink := notify.Log(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: few})))
	check(sink.Deliver(context.Background(), event.Notice{ID: "3f1c…", Event: event.Event{Kind: event.TwoFactorOff, AccountID: "user-42"}}))
	// Output: level=WARN msg=two_factor.off notice.kind=two_factor.off notice.account=user-42
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
