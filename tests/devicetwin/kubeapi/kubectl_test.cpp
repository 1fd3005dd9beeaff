// The real kubectl against the real endpoint, over TLS on loopback. The newest and the oldest
// kubectl found run every verb; each other version runs what its users do most.
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"
#include "devicetwin/kube_api.hpp"
#include "support.hpp"
#include "support/on_loop.hpp"

namespace devicetwin {
namespace {

using base::cat;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Output {
  int status = 0;
  std::string text;  // both streams
};

Output run(const std::string& command) {
  Output output;
  FILE* pipe = ::popen(cat(command, " 2>&1").c_str(), "r");
  char block[4096];
  while (const std::size_t got = std::fread(block, 1, sizeof block, pipe)) {
    output.text.append(block, got);
  }
  const int status = ::pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

struct Program {
  std::string path;
  int minor = 0;
};
void PrintTo(const Program& program, std::ostream* out) {
  *out << program.path << " (1." << program.minor << ")";
}

int minor_of(const std::string& path) {
  // No server and no home: only the client's own version is asked for.
  const std::string text = run(cat("HOME=/nonexistent ", path, " version --client -o json")).text;
  const auto json = dmi::Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("clientVersion")) return 0;
  std::string minor = json["clientVersion"].value("minor", "0");
  return std::atoi(minor.c_str());
}

// Every kubectl of this machine: the system's, Google's packages', and Debian's 1.20 where
// fetch_kubectl_1_20.sh has put it.
std::vector<Program> find_programs() {
  std::vector<Program> programs;
  std::vector<std::string> paths = {"/usr/bin/kubectl", "/usr/local/bin/kubectl",
                                    PROJECT_BINARY "/kubectl-1.20/usr/bin/kubectl"};
  for (int minor = 20; minor < 50; ++minor) {
    paths.push_back(cat("/usr/lib/google-cloud-sdk/bin/kubectl.1.", minor));
  }
  for (const std::string& path : paths) {
    if (::access(path.c_str(), X_OK) == 0) programs.push_back({path, minor_of(path)});
  }
  return programs;
}

const std::vector<Program>& programs() {
  static const std::vector<Program> found = find_programs();
  return found;
}

constexpr const char* model_yaml = R"(apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata:
  name: boiler-model
spec:
  protocol: modbus-tcp
  properties:
  - name: temperature
    type: FLOAT
    accessMode: ReadOnly
  - name: setpoint
    type: INT
    accessMode: ReadWrite
)";
constexpr const char* device_yaml = R"(apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata:
  name: boiler
  labels:
    site: a
spec:
  deviceModelRef:
    name: boiler-model
  nodeName: edge
  protocol:
    protocolName: modbus-tcp
    configData:
      ip: 127.0.0.1
  properties:
  - name: temperature
    collectCycle: 1000
  - name: setpoint
    desired:
      value: "20"
)";

class KubectlTest : public testing::TestWithParam<Program> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kubectl-XXXXXX";
    folder_ = ::mkdtemp(name);
    write("model.yaml", model_yaml);
    write("device.yaml", device_yaml);
    KubeApi::Settings settings;
    settings.folder = folder_ / "run";
    auto api = KubeApi::listen(core_, loop_, settings);
    ASSERT_TRUE(api.ok()) << api.status().to_string();
    api_ = std::move(*api);
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      on_loop([&] { api_.reset(); });
      loop_.stop();
      thread_.join();
    }
    std::filesystem::remove_all(folder_);
  }
  template <class Do>
  void on_loop(Do what) {
    test_support::run_on(loop_, what);
  }
  void write(const char* file, const std::string& text) {
    ASSERT_TRUE(base::write_file(folder_ / file, text, 0700).ok());
  }
  std::string command(const std::string& arguments) {
    return cat("cd ", folder_.string(), " && HOME=", folder_.string(),
               " KUBECONFIG=run/kubeconfig EDITOR=", folder_.string(), "/edit.sh ", GetParam().path,
               " ", arguments);
  }
  Output kubectl(const std::string& arguments) { return run(command(arguments)); }
  // Expects success and what it prints.
  std::string ok(const std::string& arguments) {
    const Output output = kubectl(arguments);
    EXPECT_EQ(output.status, 0) << arguments << "\n" << output.text;
    return output.text;
  }
  std::string fails(const std::string& arguments) {
    const Output output = kubectl(arguments);
    EXPECT_NE(output.status, 0) << arguments << "\n" << output.text;
    return output.text;
  }
  // What a mapper would report.
  void report(const std::string& property, const std::string& value) {
    on_loop([&] {
      TwinUpdate update;
      TwinUpdate::Property one;
      one.name = property;
      one.actual = value;
      one.observed = value;
      update.properties.push_back(one);
      core_.update_twin({"default", "boiler"}, update, Origin::mapper, [](const auto&) {});
    });
  }
  bool since(int minor) const { return GetParam().minor >= minor; }

  std::filesystem::path folder_;
  base::IoLoop loop_;
  kube::test::MemoryJournal journal_{loop_};
  Core core_{loop_, journal_, "edge"};
  std::unique_ptr<KubeApi> api_;
  std::thread thread_;
};

// A kubectl that goes on, read line by line.
class Running {
 public:
  explicit Running(const std::string& command) {
    int ends[2];
    if (::pipe(ends) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setpgid(0, 0);
      ::dup2(ends[1], 1);
      ::dup2(ends[1], 2);
      ::close(ends[0]);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Running() {
    ::kill(-pid_, SIGKILL);
    ::close(out_);
    ::waitpid(pid_, nullptr, 0);
  }
  // Whether text comes within ten seconds.
  bool says(const std::string& text) {
    while (held_.find(text) == held_.npos) {
      pollfd wait{out_, POLLIN, 0};
      char block[4096];
      if (::poll(&wait, 1, 10'000) <= 0) return false;
      const ssize_t got = ::read(out_, block, sizeof block);
      if (got <= 0) return false;
      held_.append(block, static_cast<std::size_t>(got));
    }
    return true;
  }
  const std::string& held() const { return held_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string held_;
};

// ---- every version ----

class EveryVersion : public KubectlTest {};

TEST_P(EveryVersion, DoesWhatTheReadmeShows) {
  EXPECT_THAT(ok("create -f model.yaml"), HasSubstr("created"));
  EXPECT_THAT(ok("apply -f device.yaml"), HasSubstr("created"));
  EXPECT_THAT(ok("apply -f device.yaml"), HasSubstr("unchanged"));
  report("temperature", "71.5");
  EXPECT_THAT(ok("get devices,devicemodels,devicestatuses -A"),
              AllOf(HasSubstr("device.devices.kubeedge.io/boiler"), HasSubstr("NAMESPACE"),
                    HasSubstr("devicemodel.devices.kubeedge.io/boiler-model"),
                    HasSubstr("devicestatus.devices.kubeedge.io/boiler")));
  EXPECT_THAT(ok("get devicestatus boiler -o yaml"), HasSubstr("value: \"71.5\""));
  EXPECT_THAT(ok("patch device boiler --type=json -p "
                 "'[{\"op\":\"replace\",\"path\":\"/spec/properties/1/desired/value\","
                 "\"value\":\"55\"}]'"),
              HasSubstr("patched"));
  EXPECT_THAT(ok("get device boiler -o jsonpath='{.spec.properties[1].desired.value}'"), "55");
  EXPECT_THAT(ok("patch device boiler --type=merge -p '{\"spec\":{\"nodeName\":\"other\"}}'"),
              HasSubstr("patched"));
  EXPECT_THAT(ok("describe device boiler"), HasSubstr("Node Name:  other"));
  write("edit.sh", "#!/bin/sh\nsed -i 's/nodeName: other/nodeName: edited/' \"$1\"\n");
  EXPECT_THAT(ok("edit device boiler"), HasSubstr("edited"));
  {
    Running watch(command("get devices -w"));
    ASSERT_TRUE(watch.says("boiler")) << watch.held();
    ok("label device boiler floor=2");
    ok("patch device boiler --type=merge -p '{\"spec\":{\"nodeName\":\"watched\"}}'");
    EXPECT_TRUE(watch.says("watched")) << watch.held();
  }
  EXPECT_THAT(ok("delete device boiler"), HasSubstr("deleted"));
  EXPECT_THAT(fails("get device boiler"), HasSubstr("NotFound"));
}

// ---- every verb ----

class EveryVerb : public KubectlTest {
 protected:
  void SetUp() override {
    KubectlTest::SetUp();
    ok("create -f model.yaml");
    ok("apply -f device.yaml");
  }
};

TEST_P(EveryVerb, GetsInEveryForm) {
  EXPECT_THAT(ok("get devices"), AllOf(HasSubstr("NAME"), HasSubstr("MODEL"), HasSubstr("AGE"),
                                       Not(HasSubstr("REASON"))));
  EXPECT_THAT(ok("get dev boiler -o wide"), AllOf(HasSubstr("REASON"), HasSubstr("PENDING")));
  EXPECT_THAT(ok("get dm,ds"), HasSubstr("devicestatus.devices.kubeedge.io/boiler"));
  EXPECT_THAT(ok("get device boiler -o yaml"), HasSubstr("nodeName: edge"));
  EXPECT_THAT(ok("get device boiler -o json"), HasSubstr("\"nodeName\": \"edge\""));
  EXPECT_THAT(ok("get devices -o name"), "device.devices.kubeedge.io/boiler\n");
  EXPECT_THAT(ok("get devices -o custom-columns=N:.metadata.name,M:.spec.deviceModelRef.name"),
              HasSubstr("boiler   boiler-model"));
  EXPECT_THAT(ok("get devices --sort-by=.metadata.name"), HasSubstr("boiler"));
  EXPECT_THAT(ok("get devices -l site=a,site!=b"), HasSubstr("boiler"));
  EXPECT_THAT(ok("get devices -l 'site in (a,b),!x'"), HasSubstr("boiler"));
  EXPECT_THAT(ok("get devices -l site=b"), HasSubstr("No resources found"));
  EXPECT_THAT(ok("get devices --field-selector metadata.name=boiler"), HasSubstr("boiler"));
  EXPECT_THAT(ok("get all"), HasSubstr("device.devices.kubeedge.io/boiler"));
  EXPECT_THAT(ok("get namespaces -o name"), HasSubstr("namespace/default"));
  EXPECT_THAT(ok("get events"), HasSubstr("No resources found"));
  EXPECT_THAT(ok("api-resources"), HasSubstr("devicestatuses"));
  EXPECT_THAT(ok("api-versions"), HasSubstr("devices.kubeedge.io/v1beta1"));
  EXPECT_THAT(ok("version"), HasSubstr("Server Version"));
  EXPECT_THAT(ok("auth can-i create devices"), HasSubstr("yes"));
}

TEST_P(EveryVerb, WritesInEveryWay) {
  EXPECT_THAT(fails("create -f device.yaml"), HasSubstr("AlreadyExists"));
  std::string changed = device_yaml;
  changed.replace(changed.find("value: \"20\""), 11, "value: \"30\"");
  write("device.yaml", changed);
  EXPECT_THAT(ok("apply -f device.yaml"), HasSubstr("configured"));
  EXPECT_THAT(ok("get device boiler -o jsonpath='{.spec.properties[1].desired.value}'"), "30");
  EXPECT_THAT(ok("annotate device boiler note=hot"), HasSubstr("annotate"));
  EXPECT_THAT(ok("label device boiler floor=2"), HasSubstr("labeled"));
  EXPECT_THAT(ok("get device boiler -o yaml > copy.yaml; sed -i 's/nodeName: .*/nodeName: put/'"
                 " copy.yaml; cat copy.yaml"),
              HasSubstr("floor: \"2\""));
  EXPECT_THAT(ok("replace -f copy.yaml"), HasSubstr("replaced"));
  EXPECT_THAT(fails("replace -f copy.yaml"), HasSubstr("the object has been modified"));
  EXPECT_THAT(fails("patch device boiler -p '{\"spec\":{\"nodeName\":\"x\"}}'"),
              HasSubstr("application/merge-patch+json"));
  EXPECT_THAT(fails("patch devicestatus boiler --type=merge -p '{\"status\":{}}'"),
              HasSubstr("owned by devicetwin"));
  EXPECT_THAT(fails("patch device boiler --type=json -p '[{\"op\":\"remove\",\"path\":\"/x\"}]'"),
              HasSubstr("operation 0 (remove /x)"));
  EXPECT_THAT(ok("apply --server-side --force-conflicts -f device.yaml"),
              HasSubstr("serverside-applied"));
  EXPECT_THAT(kubectl("diff -f device.yaml").text, Not(HasSubstr("rror")));
}

TEST_P(EveryVerb, TriesWithoutWriting) {
  ok("delete device boiler");
  EXPECT_THAT(ok("create --dry-run=server -f device.yaml"), HasSubstr("(server dry run)"));
  EXPECT_THAT(ok("apply --dry-run=server -f device.yaml"), HasSubstr("(server dry run)"));
  fails("get device boiler");
}

TEST_P(EveryVerb, Deletes) {
  ok("get device boiler -o yaml | sed 's/name: boiler$/name: kettle/;/uid/d;/resourceVersion/d' > "
     "k.yaml");
  ok("create -f k.yaml");
  EXPECT_THAT(ok("delete devices -l site=a"), AllOf(HasSubstr("boiler"), HasSubstr("kettle")));
  EXPECT_THAT(fails("delete device boiler"), HasSubstr("NotFound"));
  EXPECT_THAT(ok("delete device boiler --ignore-not-found"), "");
  EXPECT_THAT(ok("delete --wait=false -f model.yaml"), HasSubstr("deleted"));
  EXPECT_THAT(ok("delete devicemodels --all"), HasSubstr("No resources found"));
}

TEST_P(EveryVerb, NamesTheFieldThatIsWrong) {
  std::string wrong = device_yaml;
  wrong.replace(wrong.find("name: boiler\n"), 13, "name: wrong\n");
  write("wrong.yaml", wrong + "    bogus: 1\n");
  const bool asks = since(25);  // older clients leave the choice to the server, which warns
  if (asks) {
    EXPECT_THAT(fails("create -f wrong.yaml"),
                HasSubstr("unknown field \"spec.properties[1].bogus\""));
  }
  EXPECT_THAT(ok(cat("create -f wrong.yaml", asks ? " --validate=warn" : "")),
              HasSubstr("Warning: unknown field \"spec.properties[1].bogus\""));
  std::string enumerated = model_yaml;
  enumerated.replace(enumerated.find("type: INT"), 9, "type: INTEGER");
  write("wrong.yaml", enumerated);
  EXPECT_THAT(fails("apply -f wrong.yaml"),
              AllOf(HasSubstr("spec.properties[1].type: Unsupported value: \"INTEGER\""),
                    HasSubstr("\"BOOLEAN\"")));
}

TEST_P(EveryVerb, ExplainsFields) {
  if (!since(27)) GTEST_SKIP() << "clients before 1.27 read OpenAPI v2, which is not complete here";
  EXPECT_THAT(
      ok("explain device.spec.properties.desired"),
      AllOf(HasSubstr("to be written"), HasSubstr("value"), HasSubstr("map[string]string")));
  EXPECT_THAT(ok("explain devicestatuses.status"), HasSubstr("lastOnlineTime"));
}

TEST_P(EveryVerb, WaitsForAValue) {
  if (!since(23)) GTEST_SKIP() << "clients before 1.23 cannot wait for a jsonpath";
  Running wait(
      command("wait devicestatus/boiler --timeout=9s "
              "--for=jsonpath='{.status.extensions.properties.setpoint.state}'=applied"));
  bool waits = false;
  while (!waits) on_loop([&] { waits = api_->watchers() > 0; });
  report("setpoint", "20");
  EXPECT_TRUE(wait.says("condition met")) << wait.held();
}

TEST_P(EveryVerb, WatchesStatuses) {
  Running watch(command("get devicestatuses -w -o json"));
  ASSERT_TRUE(watch.says("boiler"));
  bool waits = false;
  while (!waits) on_loop([&] { waits = api_->watchers() > 0; });
  report("temperature", "99.25");
  EXPECT_TRUE(watch.says("99.25")) << watch.held();
}

TEST_P(EveryVerb, NeedsTheToken) {
  ok("config set-credentials devicetwin --token=wrong");
  EXPECT_THAT(fails("get devices"), HasSubstr("Unauthorized"));
  EXPECT_EQ(run(cat("curl -sk https://127.0.0.1:", api_->port(), "/healthz")).text, "ok");
}

// The two ends of what is installed.
std::vector<Program> newest_and_oldest() {
  std::vector<Program> ends = programs();
  std::stable_sort(ends.begin(), ends.end(),
                   [](const Program& a, const Program& b) { return a.minor > b.minor; });
  if (ends.size() > 2) ends.erase(ends.begin() + 1, ends.end() - 1);
  return ends;
}

std::string name_of(const testing::TestParamInfo<Program>& info) {
  return cat("v1_", info.param.minor, "_", info.index);
}

// A machine without kubectl has nothing to test here.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EveryVersion);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EveryVerb);
INSTANTIATE_TEST_SUITE_P(Installed, EveryVersion, testing::ValuesIn(programs()), name_of);
INSTANTIATE_TEST_SUITE_P(Installed, EveryVerb, testing::ValuesIn(newest_and_oldest()), name_of);

}  // namespace
}  // namespace devicetwin
