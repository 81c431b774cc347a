// Rehearse rehearses a release of HEAD, as RELEASING.md describes it: it makes
// the zips of the modules as a module proxy would serve them, serves them from
// a folder, installs the program from there, and builds a user's module against
// the library. Nothing is tagged or published.
//
//	go run -C scripts ./rehearse
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	root    = "github.com/abreast-go/abreast"
	version = "v0.1.0"
)

// nested are the folders of the modules that are released beside the root.
var nested = []string{"cmd/abreast", "vet"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("rehearse: ")
	dir, err := os.MkdirTemp("", "rehearse-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := rehearse(dir); err != nil {
		os.RemoveAll(dir)
		log.Fatal(err)
	}
	fmt.Println("the release works")
}

// A release is made in a folder of its own.
type release struct {
	dir   string   // has all that follows
	clone string   // of the repository
	proxy string   // what a module proxy would serve
	env   []string // of the commands
}

func rehearse(dir string) error {
	r := &release{dir: dir, clone: filepath.Join(dir, "clone"), proxy: filepath.Join(dir, "proxy")}
	top, err := r.run("..", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	cache, err := r.run(".", "go", "env", "GOMODCACHE")
	if err != nil {
		return err
	}
	usual, err := r.run(".", "go", "env", "GOPROXY")
	if err != nil {
		return err
	}
	// The modules of others come from the usual cache or proxy. Ours are in
	// neither, and the module cache of the rehearsal is empty.
	r.env = append(os.Environ(),
		"GOPROXY="+fileURL(r.proxy)+","+fileURL(filepath.Join(cache, "cache", "download"))+","+usual,
		"GOMODCACHE="+filepath.Join(dir, "modcache"), "GOFLAGS=-modcacherw", "GOSUMDB=off", "GOWORK=off",
		"GOBIN="+filepath.Join(dir, "bin"),
	)
	if _, err := r.run(".", "git", "clone", "--quiet", top, r.clone); err != nil {
		return err
	}
	if err := r.publish(""); err != nil {
		return err
	}
	for _, folder := range nested {
		if err := r.prepare(folder); err != nil {
			return err
		}
		if err := r.publish(folder); err != nil {
			return err
		}
	}
	if err := r.install(); err != nil {
		return err
	}
	return r.use()
}

// prepare commits the go.mod that a nested module is released with, if it
// replaces the root: then it requires the release of the root, and replaces
// nothing.
func (r *release) prepare(folder string) error {
	in := filepath.Join(r.clone, folder)
	text, err := os.ReadFile(filepath.Join(in, "go.mod"))
	if err != nil || !bytes.Contains(text, []byte("replace ")) {
		return err
	}
	for _, command := range []string{
		"go mod edit -dropreplace=" + root + " -require=" + root + "@" + version,
		"go mod tidy",
		"git -c user.name=rehearsal -c user.email=rehearsal@example.com commit -qam " + folder,
	} {
		if _, err := r.run(in, strings.Fields(command)...); err != nil {
			return err
		}
	}
	text, err = os.ReadFile(filepath.Join(in, "go.mod"))
	if err == nil && bytes.Contains(text, []byte("replace ")) {
		err = fmt.Errorf("%s/go.mod has a replace directive: go install would refuse it", folder)
	}
	return err
}

// publish adds the module in a folder of the clone to the proxy.
func (r *release) publish(folder string) error {
	m := module.Version{Path: strings.TrimSuffix(root+"/"+folder, "/"), Version: version}
	served := filepath.Join(r.proxy, filepath.FromSlash(m.Path), "@v")
	if err := os.MkdirAll(served, 0o777); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(served, version+".zip"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := zip.CreateFromVCS(f, m, r.clone, "HEAD", folder); err != nil {
		return fmt.Errorf("the zip of %s: %w", m.Path, err)
	}
	mod, err := os.ReadFile(filepath.Join(r.clone, folder, "go.mod"))
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"list": version + "\n", version + ".info": `{"Version":"` + version + `"}`, version + ".mod": string(mod),
	} {
		if err := os.WriteFile(filepath.Join(served, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	info, err := f.Stat()
	if err == nil {
		fmt.Printf("%s@%s: %d bytes\n", m.Path, version, info.Size())
	}
	return err
}

// install installs the programs, and runs abreast.
func (r *release) install() error {
	for _, folder := range nested {
		if _, err := r.run(r.dir, "go", "install", root+"/"+folder+"@latest"); err != nil {
			return err
		}
	}
	program := filepath.Join(r.dir, "bin", "abreast")
	got, err := r.run(r.dir, program, "-version")
	if err == nil && got != "abreast "+version {
		err = fmt.Errorf("abreast -version says %q", got)
	}
	if err == nil {
		_, err = r.run(r.dir, program, "-demo", "-out", filepath.Join(r.dir, "demo.jsonl"))
	}
	return err
}

// user is a user's program.
const user = `package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/abreast-go/abreast/client"
	"github.com/abreast-go/abreast/parallel"
)

func main() {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	client.Parallel(context.Background(), func(p *parallel.Parallel) error {
		resp, err := p.Get(srv.URL).Response()
		fmt.Println(resp.Status, err)
		return nil
	})
}
`

// use builds and runs a user's module. It adds the library as README says: go
// get of the root, which has no code, would leave out the modules that the
// library requires.
func (r *release) use() error {
	in := filepath.Join(r.dir, "user")
	if err := os.Mkdir(in, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(in, "main.go"), []byte(user), 0o666); err != nil {
		return err
	}
	for _, command := range []string{"go mod init example.com/user", "go get " + root + "/client@latest", "go vet ."} {
		if _, err := r.run(in, strings.Fields(command)...); err != nil {
			return err
		}
	}
	got, err := r.run(in, "go", "run", ".")
	if err == nil && got != "404 Not Found <nil>" {
		err = fmt.Errorf("a user's program says %q", got)
	}
	return err
}

// run runs a command in a folder and returns what it prints.
func (r *release) run(in string, command ...string) (string, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = in, r.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}

func fileURL(name string) string { return "file://" + filepath.ToSlash(name) }
