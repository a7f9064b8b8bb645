// Zip archives read and written, and every way they can be broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/convert.h"
#include "data/dataset_reader.h"
#include "data/test_files.h"
#include "io/files.h"
#include "io/hash.h"
#include "io/zip_archive.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void write_zip(const std::string& path,
               const std::vector<std::pair<std::string, std::string>>& entries) {
  io::ZipWriter archive(path);
  for (const auto& [name, bytes] : entries) archive.add(name, bytes);
  archive.finish();
}

TEST(ZipReader, ReadsLabelsClassNamesAndTheTableBesideIt) {
  const TempFolder folder;
  const std::string path = (folder / "faces.zip").string();
  write_zip(path, {{"00000/img00000001.png", flat_png(7)},
                   {"00000/img00000000.png", flat_png(5)},
                   {"dataset.json",
                    R"({"labels":[["00000/img00000000.png",1],["00000/img00000001.png",0]]})"}});
  folder.write(
      "faces.csv",
      "name,source,gender\n00000/img00000000.png,q,Female\n00000/img00000001.png,q,Male\n");
  const ImageSet set = load_images(path);
  EXPECT_THAT(set.names, ElementsAre("00000/img00000000.png", "00000/img00000001.png"));
  EXPECT_THAT(to_vector(set.labels), ElementsAre(1, 0));
  EXPECT_THAT(set.class_names, ElementsAre("Male", "Female"))
      << "from the column that agrees with the labels";
  EXPECT_THAT(set.attribute("gender").values, ElementsAre("Female", "Male"));
  EXPECT_EQ(set.images[1][0][0][0].item<int64_t>(), 7);
}

TEST(ZipReader, HashIsThatOfTheFile) {
  const TempFolder folder;
  const std::string path = (folder / "x.zip").string();
  write_zip(path, {{"a.png", flat_png(1)}, {"dataset.json", R"({"labels":null})"}});
  const ImageSet set = load_images(path);
  EXPECT_FALSE(set.has_labels());
  EXPECT_EQ(set.sha256, io::sha256_of_file(path));
}

TEST(ZipReader, RefusesLabelsThatDoNotFit) {
  const TempFolder folder;
  const std::string path = (folder / "x.zip").string();
  const auto error_with = [&](const std::string& json) {
    write_zip(path, {{"a.png", flat_png(1)}, {"b.png", flat_png(2)}, {"dataset.json", json}});
    return error_of([&] { load_images(path); });
  };
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0]]})"), HasSubstr("image 'b.png' has no label"));
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0],["b.png",0],["c.png",0]]})"),
              HasSubstr("names 'c.png'"));
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0],["b.png",2]]})"),
              HasSubstr("class '1' has no images"));
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0],["b.png",1]],"class_names":["x"]})"),
              HasSubstr("label of image 1"));
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0],["b.png",-1]]})"),
              HasSubstr("label of image 1"));
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0],["b.png",0.5]]})"),
              HasSubstr("entry 1 of 'labels'"));
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0],["a.png",0]]})"),
              HasSubstr("'a.png' is named twice"));
  EXPECT_THAT(error_with(R"({"labels":[["a.png",0],["b.png",0]],"class_names":[1]})"),
              HasSubstr("'class_names'"));
  EXPECT_THAT(error_with(R"({"label":1})"), HasSubstr("there is no 'labels'"));
  EXPECT_THAT(error_with(R"({"labels":)"), HasSubstr("x.zip/dataset.json"));
}

TEST(ZipReader, RefusesTruncatedArchivesAndDamagedEntries) {
  const TempFolder folder;
  const std::string path = (folder / "x.zip").string();
  write_zip(path, {{"a.png", flat_png(1)}, {"b.png", flat_png(2).substr(0, 50)}});
  EXPECT_THAT(error_of([&] { load_images(path); }), HasSubstr("x.zip/b.png"));
  const std::string whole = io::read_file(path);
  EXPECT_THAT(
      error_of([&] { load_images(folder.write("cut.zip", whole.substr(0, whole.size() - 30))); }),
      HasSubstr("cut.zip"));
}

TEST(ConvertToZip, KeepsPixelsLabelsNamesAndAttributes) {
  const TempFolder folder;
  folder.write("metadata.csv", "file_name,class,hair\nx.png,b,dark\ny.png,a,fair\n");
  folder.write("x.png", flat_png(3));
  folder.write("y.png", flat_png(4));
  const ImageSet set = load_images(folder.string());
  const std::filesystem::path out = folder / "out.zip";
  convert_to_zip(set, out);
  const ImageSet back = load_images(out.string());
  EXPECT_TRUE(at::equal(back.images, set.images));
  EXPECT_TRUE(at::equal(back.labels, set.labels));
  EXPECT_EQ(back.class_names, set.class_names);
  EXPECT_TRUE(at::equal(back.attribute("hair").codes, set.attribute("hair").codes));
  EXPECT_THAT(back.names, ElementsAre("00000/img00000000.png", "00000/img00000001.png"));
  const std::string first = io::read_file(out);
  convert_to_zip(set, out);
  EXPECT_EQ(io::read_file(out), first) << "the same set gives the same bytes";
  EXPECT_THAT(error_of([&] { convert_to_zip(load_images("toy:two-gaussians"), out); }),
              HasSubstr("vectors"));
}

}  // namespace
}  // namespace equipoise::data
