#include "program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <gmock/gmock.h>

#include "io/files.h"

namespace equipoise::e2e {
namespace {

void redirect(int descriptor, const std::filesystem::path& file) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  ::dup2(opened, descriptor);
  ::close(opened);
}

void limit_file_size(uint64_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);  // the write fails instead
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

}  // namespace

Program::Program(const Arguments& arguments, std::optional<uint64_t> max_file_bytes,
                 const Arguments& launcher) {
  std::vector<char*> words;
  for (const std::string& word : launcher) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(const_cast<char*>(EQUIPOISE_PROGRAM));
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("cannot start a process");
  if (process_ > 0) return;
  redirect(STDOUT_FILENO, output_ / "out");
  redirect(STDERR_FILENO, output_ / "err");
  if (max_file_bytes) limit_file_size(*max_file_bytes);
  ::execvp(words[0], words.data());
  ::_exit(127);
}

Program::~Program() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

void Program::send(int signal) {
  ::kill(process_, signal);
}

Outcome Program::wait() {
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = io::read_file(output_ / "out"),
          .err = io::read_file(output_ / "err")};
}

void expect_failure(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  const size_t begin = outcome.err.rfind("equipoise: ");
  ASSERT_NE(begin, std::string::npos) << "nothing was said:\n" << outcome.err;
  EXPECT_EQ(outcome.err.find("equipoise: "), begin) << "said more than once:\n" << outcome.err;
  const std::string sentence = outcome.err.substr(begin);
  EXPECT_EQ(sentence.find('\n'), sentence.size() - 1) << "more than one line:\n" << sentence;
  for (const std::string& part : parts) EXPECT_THAT(sentence, testing::HasSubstr(part));
}

}  // namespace equipoise::e2e
