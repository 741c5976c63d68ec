//===- Report.cpp - What a run was like --------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mk;
using llvm::StringRef;
using llvm::Twine;
namespace json = llvm::json;

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

namespace {
/// Rows of cells; columns get as wide as their widest cell.
class Table {
public:
  /// '>' aligns a column to the right.
  Table(llvm::ArrayRef<StringRef> titles, StringRef alignment) : alignment(alignment) {
    addRow({titles.begin(), titles.end()});
  }

  void addRow(std::vector<std::string> row) { rows.push_back(std::move(row)); }

  void print(llvm::raw_ostream &os) const {
    std::vector<size_t> widths(rows.front().size());
    for (const std::vector<std::string> &row : rows)
      for (auto [width, cell] : llvm::zip_equal(widths, row))
        width = std::max(width, cell.size());
    for (const std::vector<std::string> &row : rows) {
      std::string line;
      for (size_t i = 0; i < row.size(); ++i) {
        std::string padding(widths[i] - row[i].size(), ' ');
        line += "  " + (alignment[i] == '>' ? padding + row[i] : row[i] + padding);
      }
      os << StringRef(line).rtrim() << "\n";
    }
  }

private:
  StringRef alignment;
  std::vector<std::vector<std::string>> rows;
};
} // namespace

static std::string shortened(StringRef text, size_t width) {
  return text.size() <= width ? text.str() : (text.take_front(width - 3) + "...").str();
}

/// "664 k", "1.20 G": three digits and a power of 1000.
static std::string showRate(double perSecond) {
  static const StringRef units[] = {"", " k", " M", " G", " T"};
  size_t unit = 0;
  while (perSecond >= 999.5 && unit + 1 < std::size(units)) {
    perSecond /= 1000;
    ++unit;
  }
  return llvm::formatv("{0}{1}",
                       llvm::format(perSecond < 9.995   ? "%.2f"
                                    : perSecond < 99.95 ? "%.1f"
                                                        : "%.0f",
                                    perSecond),
                       units[unit])
      .str();
}

static std::string showMillis(double seconds) { return llvm::formatv("{0:F3}", seconds * 1e3).str(); }

static std::string showBytes(uint64_t bytes) {
  if (bytes < (1u << 10))
    return (Twine(bytes) + " bytes").str();
  if (bytes < (1u << 20))
    return llvm::formatv("{0:F1} KiB", bytes / 1024.0).str();
  return llvm::formatv("{0:F1} MiB", bytes / 1048576.0).str();
}

static std::string plural(uint64_t count, StringRef what) {
  return (Twine(count) + " " + what + (count == 1 ? "" : what.ends_with("ch") ? "es" : "s")).str();
}

void mk::printHeading(const Report &report, uint64_t waves, uint64_t slots, llvm::raw_ostream &os) {
  os << "isa       " << report.isaFile << "\n";
  os << "workload  " << report.workload->file << ": " << plural(report.workload->buffers.size(), "buffer") << " ("
     << showBytes(report.bufferBytes) << "), " << plural(report.workload->batches.size(), "batch") << ", "
     << plural(waves, "wave") << ", " << plural(slots, "slot") << "\n";
  os << "device    " << report.device.id << ": " << report.device.description << "\n";
  os.flush();
}

/// "16 groups, 5 x 64": what the policy gives the whole wave.
static std::string showWorkers(const LaunchRecommendation &recommendation) {
  const LaunchGeometry &geometry = recommendation.geometry;
  return plural(recommendation.workerGroups, "group") + ", " + std::to_string(geometry.dispatchGrid[0]) + " x " +
         std::to_string(geometry.workgroupSizeX);
}

/// "30 of 1024", "1024 of 1024 + 7 dropped"; nothing when there were none.
static std::string showHits(const WaveGroup &group) {
  if (!group.hits && !group.hitsDropped)
    return "";
  std::string text = std::to_string(group.hits) + " of " + std::to_string(group.recommendation.hitCapacity);
  return group.hitsDropped ? text + " + " + std::to_string(group.hitsDropped) + " dropped" : text;
}

static void printWaves(const Report &report, llvm::raw_ostream &os) {
  os << "\nwaves (times and rates per wave; waves that are alike share a row; in brackets: how many, where rows took "
        "turns)\n";
  Table table({"wave", "batch", "slots", "tier", "code", "launch", "device ms", "slots/s", "wall ms", "pressure",
               "topology", "route", "workers", "hits", "faults"},
              "<<><<<>>><<<<>>");
  for (const WaveGroup &group : report.run.groups) {
    std::string number = std::to_string(group.first);
    if (group.first != group.last)
      number += ".." + std::to_string(group.last);
    if (group.waves() != group.last - group.first + 1)
      number += " (" + std::to_string(group.waves()) + ")";
    std::vector<std::string> head = {number, report.workload->batches[group.batch].name};
    const LaunchRecommendation &recommendation = group.recommendation;
    std::vector<std::string> tail = {showMillis(group.totalSeconds() / group.waves()),
                                     stringifyQueuePressure(recommendation.pressure),
                                     stringifyDispatchTopology(recommendation.topology),
                                     stringifyPromotionRoute(routeOf(recommendation)),
                                     showWorkers(recommendation),
                                     showHits(group),
                                     group.faults ? std::to_string(group.faults) : ""};
    if (group.runs.empty()) {
      std::vector<std::string> row = head;
      row.insert(row.end(), {std::to_string(group.slots), "-", "", "", "", ""});
      row.insert(row.end(), tail.begin(), tail.end());
      table.addRow(std::move(row));
    }
    for (const TierRun &run : group.runs) {
      double seconds = run.seconds / group.waves();
      std::vector<std::string> row = head;
      row.push_back(std::to_string(run.slots));
      row.push_back(stringifyTier(run.tier));
      row.push_back(shortened(run.what, 40));
      row.push_back(std::to_string(run.workgroups) + " x " + std::to_string(run.workgroupSize));
      row.push_back(showMillis(seconds));
      row.push_back(seconds > 0 ? showRate(run.slots / seconds) : "");
      row.insert(row.end(), tail.begin(), tail.end());
      table.addRow(std::move(row));
      // What belongs to the whole wave stands in its first row only.
      head.assign(2, "");
      tail.assign(tail.size(), "");
    }
  }
  table.print(os);
  os << llvm::formatv("  total: {0} in {1} ms of wall time, {2} slots/s\n", plural(report.run.slots, "slot"),
                      showMillis(report.run.seconds),
                      showRate(report.run.seconds > 0 ? report.run.slots / report.run.seconds : 0));
}

static void printPromotions(const Report &report, llvm::raw_ostream &os) {
  os << "\npromotions\n";
  if (report.promotions.empty())
    os << "  none\n";
  for (const Promotion &promotion : report.promotions) {
    os << "  " << stringifyTier(promotion.tier) << " " << promotion.what;
    if (!promotion.facts.empty())
      os << " with " << promotion.facts;
    os << ": " << stringifyPromotionState(promotion.state);
    if (promotion.state == PromotionState::Live)
      os << (promotion.firstTicket ? llvm::formatv(" since wave {0}", report.run.waveOf(promotion.firstTicket)).str()
                                   : std::string(", but no wave used it"));
    if (!promotion.facts.empty())
      os << "\n    arguments seen " << promotion.count << " times";
    else if (promotion.evidence.promotionRoute == PromotionRoute::QueueJit)
      os << "\n    the most frequent opcode of a queue of " << promotion.evidence.queueLen << " (threshold "
         << promotion.threshold << ") in wave " << report.run.waveOf(promotion.ticket);
    else
      os << "\n    seen " << promotion.count << " times (threshold " << promotion.threshold << ") by wave "
         << report.run.waveOf(promotion.ticket);
    if (promotion.compileSeconds > 0)
      os << llvm::formatv(", compiled in {0} ms, loaded in {1} ms", showMillis(promotion.compileSeconds),
                          showMillis(promotion.loadSeconds));
    if (promotion.cached)
      os << ", from the code cache";
    if (promotion.checked)
      os << ", agreed with the interpreter on " << plural(promotion.checked, "instance");
    if (promotion.speedup > 0)
      os << llvm::formatv(", {0:f2} times as fast as the tier below", promotion.speedup);
    const PromotionEvidence &evidence = promotion.evidence;
    os << "\n";
    if (promotion.facts.empty())
      os << llvm::formatv(
          "    evidence: route {0}, queue {1} (threshold {2}), hottest opcode {3} ({4}), hottest window "
          "{5} ({6})\n",
          stringifyPromotionRoute(evidence.promotionRoute), evidence.queueLen, evidence.jitQueueLenThreshold,
          evidence.hotOpcodeCount, evidence.hotOpcodeThreshold, evidence.hotWindowCount, evidence.hotWindowThreshold);
    if (!promotion.error.empty())
      os << "    because: " << promotion.error << "\n";
  }
}

/// A fault code without the detail that differs from slot to slot.
static std::string showFaultCode(uint32_t code) {
  std::string text = describeFault({0, code, 0});
  size_t close = text.find(')');
  return close == std::string::npos ? text : text.substr(0, close + 1);
}

static void printFaults(const Report &report, llvm::raw_ostream &os) {
  const FaultLog &faults = report.run.faults;
  os << "\nfaults\n";
  if (faults.total == 0) {
    os << "  none\n";
    return;
  }
  for (const FaultLog::Entry &entry : faults.first)
    os << llvm::formatv("  FAULT wave {0}, slot {1} ({2}): {3}\n", entry.wave, entry.fault.slot, entry.opcode,
                        describeFault(entry.fault));
  if (faults.total > faults.first.size())
    os << "  ... and " << faults.total - faults.first.size() << " more\n";
  os << "  total: " << faults.total << " of " << plural(report.run.slots, "slot") << " faulted, all others are done\n";
  for (const auto &[code, count] : faults.byCode)
    os << "    " << showFaultCode(code) << ": " << count << "\n";
}

static void printHits(const Report &report, llvm::raw_ostream &os) {
  const HitLog &hits = report.run.hits;
  if (!hits.total && !hits.dropped)
    return;
  os << "\nhits\n";
  for (const HitLog::Entry &entry : hits.first)
    os << llvm::formatv("  HIT wave {0}, slot {1} ({2}): {3} {4} {5}\n", entry.wave, entry.hit.slot, entry.opcode,
                        entry.hit.values[0], entry.hit.values[1], entry.hit.values[2]);
  if (hits.total > hits.first.size())
    os << "  ... and " << hits.total - hits.first.size() << " more\n";
  os << "  total: " << plural(hits.total, "hit") << ", " << hits.dropped << " dropped for lack of room\n";
}

static void printControl(const ControlRecord &control, llvm::raw_ostream &os) {
  os << llvm::formatv("\ncontrol\n  epoch {0}, shutdown {1}\n", control.words[abi::ControlEpoch],
                      control.words[abi::ControlShutdown]);
  for (auto [i, word] : llvm::enumerate(llvm::ArrayRef(control.words).drop_front(abi::ControlObservable)))
    if (word)
      os << llvm::formatv("  observable {0}: {1}\n", i, word);
  for (const DebugRecord &record : control.log.records)
    os << llvm::formatv("  PRINTF slot {0}: format {1} with {2} and {3}\n", record.slot, record.format, record.a,
                        record.b);
  if (control.log.dropped)
    os << "  " << plural(control.log.dropped, "record") << " dropped for lack of room\n";
}

static void printVerification(const Verification &verification, llvm::raw_ostream &os) {
  os << "\nverify\n";
  if (verification.isEqual()) {
    os << llvm::formatv("  equal to the interpreter: {0}, {1}, and the faults and hits of every wave\n",
                        plural(verification.bufferCount, "buffer"), showBytes(verification.buffers.bytes));
    os << "  the interpreter alone took " << showMillis(verification.seconds) << " ms of wall time\n";
    return;
  }
  for (const Comparison *comparison : {&verification.buffers, &verification.faults, &verification.hits})
    if (!comparison->difference.empty())
      os << "  MISMATCH " << comparison->difference << "\n";
}

void mk::printReport(const Report &report, llvm::raw_ostream &os) {
  printWaves(report, os);
  printPromotions(report, os);
  printFaults(report, os);
  printHits(report, os);
  if (report.control)
    printControl(*report.control, os);
  if (report.verification)
    printVerification(*report.verification, os);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

/// The policy's records print themselves as JSON.
static json::Value parsed(const std::string &text) {
  llvm::Expected<json::Value> value = json::parse(text);
  if (!value) {
    llvm::consumeError(value.takeError());
    return text;
  }
  return *value;
}

static json::Value toJson(const WaveGroup &group, const Workload &workload) {
  json::Array runs;
  for (const TierRun &run : group.runs)
    runs.push_back(json::Object{{"tier", stringifyTier(run.tier)},
                                {"what", run.what},
                                {"facts", run.facts},
                                {"slots", run.slots},
                                {"items", run.items},
                                {"workgroups", run.workgroups},
                                {"workgroupSize", run.workgroupSize},
                                {"deviceSeconds", run.seconds}});
  return json::Object{{"first", group.first},
                      {"last", group.last},
                      {"batch", workload.batches[group.batch].name},
                      {"slots", group.slots},
                      {"faults", group.faults},
                      {"hits", group.hits},
                      {"hitsDropped", group.hitsDropped},
                      {"hitCapacityMultiplier", group.hitCapacityMultiplier},
                      {"wallSeconds", json::Array(group.seconds)},
                      {"runs", std::move(runs)},
                      {"route", stringifyPromotionRoute(routeOf(group.recommendation))},
                      {"request", parsed(group.request.str())},
                      {"recommendation", parsed(group.recommendation.str())}};
}

static json::Value toJson(const Promotion &promotion, const RunRecord &run) {
  json::Object object{{"tier", stringifyTier(promotion.tier)},
                      {"what", promotion.what},
                      {"facts", promotion.facts},
                      {"state", stringifyPromotionState(promotion.state)},
                      {"count", promotion.count},
                      {"threshold", promotion.threshold},
                      {"wave", run.waveOf(promotion.ticket)},
                      {"compileSeconds", promotion.compileSeconds},
                      {"loadSeconds", promotion.loadSeconds},
                      {"cached", promotion.cached},
                      {"checked", promotion.checked},
                      {"speedup", promotion.speedup},
                      {"score", promotion.score},
                      {"firstWave", nullptr},
                      {"evidence", parsed(promotion.evidence.str())}};
  if (promotion.firstTicket)
    object["firstWave"] = run.waveOf(promotion.firstTicket);
  if (!promotion.error.empty())
    object["error"] = promotion.error;
  return object;
}

static json::Value toJson(const FaultLog &faults) {
  json::Object byCode;
  for (const auto &[code, count] : faults.byCode)
    byCode[showFaultCode(code)] = count;
  json::Array first;
  for (const FaultLog::Entry &entry : faults.first)
    first.push_back(json::Object{{"wave", entry.wave},
                                 {"slot", entry.fault.slot},
                                 {"opcode", entry.opcode},
                                 {"code", entry.fault.code},
                                 {"detail", entry.fault.detail},
                                 {"text", describeFault(entry.fault)}});
  return json::Object{{"total", faults.total}, {"byCode", std::move(byCode)}, {"first", std::move(first)}};
}

static json::Value toJson(const HitLog &hits) {
  json::Array first;
  for (const HitLog::Entry &entry : hits.first)
    first.push_back(json::Object{{"wave", entry.wave},
                                 {"slot", entry.hit.slot},
                                 {"opcode", entry.opcode},
                                 {"values", json::Array(entry.hit.values)}});
  return json::Object{{"total", hits.total}, {"dropped", hits.dropped}, {"first", std::move(first)}};
}

static json::Value toJson(const ControlRecord &control) {
  json::Array records;
  for (const DebugRecord &record : control.log.records)
    records.push_back(json::Object{{"format", record.format}, {"a", record.a}, {"b", record.b}, {"slot", record.slot}});
  return json::Object{{"epoch", control.words[abi::ControlEpoch]},
                      {"shutdown", control.words[abi::ControlShutdown]},
                      {"observables", json::Array(llvm::ArrayRef(control.words).drop_front(abi::ControlObservable))},
                      {"debug", json::Object{{"records", std::move(records)}, {"dropped", control.log.dropped}}}};
}

void mk::printJson(const Report &report, llvm::raw_ostream &os) {
  json::Array waves, promotions, heat;
  for (const WaveGroup &group : report.run.groups)
    waves.push_back(toJson(group, *report.workload));
  for (const Promotion &promotion : report.promotions)
    promotions.push_back(toJson(promotion, report.run));
  for (const HeatRow &row : report.heat)
    heat.push_back(json::Object{
        {"tier", stringifyTier(row.tier)}, {"what", row.what}, {"total", row.total}, {"recent", row.recent}});
  json::Object root{{"isa", report.isaFile},
                    {"workload", report.workload->file},
                    {"device", json::Object{{"id", report.device.id}, {"description", report.device.description}}},
                    {"bufferBytes", report.bufferBytes},
                    {"waveCount", report.run.waves},
                    {"slots", report.run.slots},
                    {"wallSeconds", report.run.seconds},
                    {"waves", std::move(waves)},
                    {"promotions", std::move(promotions)},
                    {"heat", std::move(heat)},
                    {"faults", toJson(report.run.faults)},
                    {"hits", toJson(report.run.hits)}};
  if (report.control)
    root["control"] = toJson(*report.control);
  if (const std::optional<Verification> &verification = report.verification) {
    json::Object object{{"equal", verification->isEqual()},
                        {"bytes", verification->buffers.bytes},
                        {"wallSeconds", verification->seconds}};
    if (!verification->buffers.difference.empty())
      object["buffers"] = verification->buffers.difference;
    if (!verification->faults.difference.empty())
      object["faults"] = verification->faults.difference;
    if (!verification->hits.difference.empty())
      object["hits"] = verification->hits.difference;
    root["verify"] = std::move(object);
  }
  os << llvm::formatv("{0:2}", json::Value(std::move(root))) << "\n";
}

void mk::printProfile(const Report &report, llvm::raw_ostream &os) {
  uint64_t longest = 0;
  for (const WaveGroup &group : report.run.groups)
    longest = std::max<uint64_t>(longest, group.request.queueLen);
  llvm::json::OStream json(os, /*IndentSize=*/2);
  auto counts = [&](Tier tier) {
    json.object([&] {
      for (const HeatRow &row : report.heat)
        if (row.tier == tier && row.evidence)
          json.attribute(row.what, row.evidence);
    });
  };
  json.object([&] {
    json.attribute("version", 1);
    json.attribute("milliseconds", uint64_t(report.run.seconds * 1e3));
    json.attribute("slots", report.run.slots);
    json.attribute("longest_queue", longest);
    json.attributeBegin("opcodes");
    counts(Tier::Opcode);
    json.attributeEnd();
    json.attributeBegin("windows");
    counts(Tier::Window);
    json.attributeEnd();
  });
  os << '\n';
}
