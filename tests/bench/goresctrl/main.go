// Collects with goresctrl's Prometheus collector as often as it is asked, and answers what that took.
//
// The folder it is started in has a file `mounts` in the form of /proc/mounts: the linker puts that name
// in the place of goresctrl's own (rdt.mountInfoPath), so that any tree can be collected from.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"syscall"

	"github.com/intel/goresctrl/pkg/rdt"
	"github.com/prometheus/client_golang/prometheus"
)

func cpuNanoseconds() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// values counts what one scrape would give; the text page is not made.
func values(registry *prometheus.Registry) int {
	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	number := 0
	for _, family := range families {
		number += len(family.Metric)
	}
	return number
}

func main() {
	rdt.SetLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := rdt.Initialize(""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(rdt.NewCollector())
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		times, err := strconv.Atoi(orders.Text())
		if err != nil {
			panic(err)
		}
		began, number := cpuNanoseconds(), 0
		for range times {
			number += values(registry)
		}
		fmt.Println(cpuNanoseconds()-began, number)
	}
}
