package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

type namedCase struct {
	name string
	body func(*Kit)
}

// A case that the server at hand cannot show.
type skip string

var cases = []namedCase{
	{"life_of_a_stream", lifeOfAStream},
	{"list_streams_by_pages", listStreamsByPages},
	{"records", records},
	{"iterators", iterators},
	{"split_and_merge", splitAndMerge},
	{"update_shard_count", updateShardCount},
	{"large_records", largeRecords},
	{"dry_runs", dryRuns},
	{"fan_out", fanOut},
	{"fan_out_ends_with_children", fanOutEndsWithChildren},
	{"fan_out_is_refused", fanOutIsRefused},
	{"tags_and_policies", tagsAndPolicies},
	{"consumers", consumers},
	{"account_settings", accountSettings},
	{"errors", errorShapes},
	{"wrong_credentials", wrongCredentials},
	{"other_services", otherServices},
}

func wanted(name string) bool {
	for _, word := range os.Args[1:] {
		if strings.Contains(name, word) {
			return true
		}
	}
	return len(os.Args) == 1
}

func main() {
	ctx := context.Background()
	client := newClient(ctx)
	ran, failed, skipped := 0, 0, 0
	for _, one := range cases {
		if !wanted(one.name) {
			continue
		}
		ran++
		begun := time.Now()
		limited, end := context.WithTimeout(ctx, time.Minute)
		kit := &Kit{Client: client, ctx: limited, name: strings.ReplaceAll(one.name, "_", "-")}
		verdict, reason := judge(one.body, kit)
		switch verdict {
		case "FAIL":
			failed++
		case "skip":
			skipped++
		}
		fmt.Printf("%-4s %6.2f s  %s%s\n", verdict, time.Since(begun).Seconds(), one.name, reason)
		kit.ctx = ctx
		kit.cleanUp()
		end()
	}
	fmt.Printf("compat: cases=%d failed=%d skipped=%d operations=%s\n", ran, failed, skipped, operations.list())
	if failed > 0 {
		os.Exit(1)
	}
}

func judge(body func(*Kit), kit *Kit) (verdict, reason string) {
	defer func() {
		switch found := recover().(type) {
		case nil:
			verdict = "ok"
		case skip:
			verdict, reason = "skip", ": "+string(found)
		default:
			verdict, reason = "FAIL", fmt.Sprintf(": %v", found)
		}
	}()
	body(kit)
	return
}
