package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

var (
	//go:embed scripts/fetch.mjs
	nodeScript string
	//go:embed scripts/fetch.py
	pythonScript string
)

var (
	aiohttp = python("aiohttp")
	httpx   = python("httpx")
)

func python(library string) contender {
	return contender{
		name:   library,
		cannot: plainOnly,
		missing: func() error {
			if exec.Command("python3", "-c", "import "+library).Run() != nil {
				return errors.New("python3 has no such module here")
			}
			return nil
		},
		command: func(w work) (string, []string) {
			return "python3", []string{"-c", pythonScript, library, w.json()}
		},
	}
}

// nodeFetch is undici, which node's own fetch is.
var nodeFetch = contender{
	name:    "node fetch",
	cannot:  plainOnly,
	missing: installed("node"),
	command: func(w work) (string, []string) {
		return "node", []string{"--input-type=module", "--eval", nodeScript, w.json()}
	},
}

func plainOnly(s scenario) string {
	if s.tls {
		return "it has no HTTP/2, or not by default"
	}
	return ""
}

func installed(program string) func() error {
	return func() error {
		_, err := exec.LookPath(program)
		return err
	}
}

func (w work) json() string {
	b, err := json.Marshal(map[string]any{
		"url": w.url, "blocks": w.blocks, "perBlock": w.perBlock, "inFlight": w.inFlight, "size": w.size,
	})
	if err != nil {
		panic(err) // of strings and numbers
	}
	return string(b)
}

// curl is one program for one block; its start and end are in the times. It drops the
// bodies unseen: their length is all that is checked.
var curl = contender{
	name:    "curl -Z",
	foreign: true,
	missing: installed("curl"),
	cannot: func(s scenario) string {
		switch {
		case s.blocks > 1:
			return "a program for each block is no use"
		case s.inFlight > 300:
			return "it sends 300 at once at most"
		}
		return ""
	},
	open: func(w work) block {
		return func(ctx context.Context, take func([]byte)) error {
			cmd := exec.CommandContext(ctx, "curl", "--silent", "--no-progress-meter", "--show-error",
				"--fail", "--fail-early", "--max-time", "30", "--cacert", os.Getenv("SSL_CERT_FILE"), "--parallel", "--parallel-max", strconv.Itoa(w.inFlight), "--output", "/dev/null",
				"--write-out", "%{size_download}\n", w.url+"&n=[1-"+strconv.Itoa(w.perBlock)+"]")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				return failed(err, stderr.String())
			}
			whole := content(w.size)
			for lines := bufio.NewScanner(&stdout); lines.Scan(); {
				n, err := strconv.Atoi(lines.Text())
				if err != nil || n > w.size {
					return fmt.Errorf("curl says that it got %s bytes", lines.Text())
				}
				take(whole[:n])
			}
			return nil
		}
	},
}
