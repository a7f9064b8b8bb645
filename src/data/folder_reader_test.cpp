// Folders of images: labels, tables beside them, damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "core/error.h"
#include "data/dataset_reader.h"
#include "data/test_files.h"
#include "io/hash.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(FolderReader, TakesClassesFromSubFolders) {
  const TempFolder folder;
  folder.write("cat/1.png", flat_png(10));
  folder.write("dog/b.PNG", flat_png(30));
  folder.write("cat/0.png", flat_png(20));
  folder.write("cat/notes.txt", "not an image");
  folder.write(".cache/x.png", flat_png(99));
  const ImageSet set = load_images(folder.string());
  EXPECT_THAT(set.names, ElementsAre("cat/0.png", "cat/1.png", "dog/b.PNG"));
  EXPECT_THAT(set.class_names, ElementsAre("cat", "dog"));
  EXPECT_THAT(to_vector(set.labels), ElementsAre(0, 0, 1));
  EXPECT_EQ(set.images.sizes(), at::IntArrayRef({3, 3, 4, 4}));
  EXPECT_EQ(set.images[0][0][0][0].item<int64_t>(), 20);
}

TEST(FolderReader, SortsNumberedClassesByNumber) {
  const TempFolder folder;
  folder.write("10/a.png", flat_png(1));
  folder.write("9/a.png", flat_png(2));
  EXPECT_THAT(load_images(folder.string()).class_names, ElementsAre("9", "10"));
}

TEST(FolderReader, HashesNamesAndContents) {
  const TempFolder folder;
  folder.write("a/0.png", flat_png(1));
  folder.write("b/0.png", flat_png(2));
  const std::string listing =
      io::sha256_hex(flat_png(1)) + "  a/0.png\n" + io::sha256_hex(flat_png(2)) + "  b/0.png\n";
  EXPECT_EQ(load_images(folder.string()).sha256, io::sha256_hex(listing));
}

TEST(FolderReader, ReadsMetadataCsvAsAttributes) {
  const TempFolder folder;
  folder.write("x.png", flat_png(1));
  folder.write("y.png", flat_png(2));
  folder.write("metadata.csv",
               "file_name,class,gender,age\ny.png,pear,F,10-19\nx.png,apple,M,3-9\n");
  const ImageSet set = load_images(folder.string());
  EXPECT_THAT(set.class_names, ElementsAre("apple", "pear"));
  EXPECT_THAT(to_vector(set.labels), ElementsAre(0, 1));
  EXPECT_THAT(set.attribute("gender").values, ElementsAre("F", "M"));
  EXPECT_THAT(to_vector(set.attribute("gender").codes), ElementsAre(1, 0));
  EXPECT_THAT(set.attribute("age").values, ElementsAre("3-9", "10-19"));
  EXPECT_THAT(error_of([&] { set.attribute("gendre"); }), HasSubstr("Did you mean 'gender'?"));
}

TEST(FolderReader, ReadsMetadataLines) {
  const TempFolder folder;
  folder.write("x.png", flat_png(1));
  folder.write("y.png", flat_png(2));
  folder.write("metadata.jsonl",
               "{\"file_name\":\"x.png\",\"hair\":2}\n{\"file_name\":\"y.png\",\"hair\":1}\n");
  const ImageSet set = load_images(folder.string());
  EXPECT_FALSE(set.has_labels());
  EXPECT_THAT(set.attribute("hair").values, ElementsAre("1", "2"));
  EXPECT_THAT(to_vector(set.attribute("hair").codes), ElementsAre(1, 0));
  folder.write("metadata.jsonl",
               "{\"file_name\":\"x.png\",\"hair\":null}\n{\"file_name\":\"y.png\",\"hair\":1}\n");
  EXPECT_THAT(load_images(folder.string()).attribute("hair").values, ElementsAre("", "1"));
}

TEST(FolderReader, RefusesMetadataThatDoesNotFit) {
  const TempFolder folder;
  folder.write("x.png", flat_png(1));
  folder.write("metadata.csv", "file_name,a\nx.png,1\nz.png,2\n");
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }),
              HasSubstr("names 'z.png', and there is no such image"));
  folder.write("metadata.csv", "file_name,a\n");
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }),
              HasSubstr("image 'x.png' has no row"));
  folder.write("metadata.csv", "file_name,a\nx.png,1\nx.png,2\n");
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }),
              HasSubstr("image 'x.png' is named twice"));
  folder.write("metadata.jsonl",
               "{\"file_name\":\"x.png\",\"a\":1}\n{\"file_name\":\"y.png\",\"b\":1}\n");
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }),
              HasSubstr("record 2 has other keys"));
}

TEST(FolderReader, NamesTheFirstDamagedImageWhateverTheThreads) {
  const TempFolder folder;
  for (int i = 0; i < 40; ++i) folder.write(fmt::format("a/{:02}.png", i), flat_png(i));
  folder.write("a/17.png", flat_png(1).substr(0, 40));
  folder.write("a/33.png", "not an image");
  for (const int64_t num_threads : {1, 2, 8}) {
    ReadOptions options;
    options.num_threads = num_threads;
    EXPECT_THAT(error_of([&] { load_images(folder.string(), options); }), HasSubstr("a/17.png"));
  }
}

TEST(FolderReader, LeavesDamagedImagesOutWhenProblemsAreCollected) {
  const TempFolder folder;
  folder.write("a/0.png", "not an image");
  folder.write("a/1.png", flat_png(1));
  folder.write("b/2.png", flat_png(2, 3, 5));
  folder.write("b/3.png", flat_png(3));
  std::vector<std::string> problems;
  ReadOptions options;
  options.problems = &problems;
  const ImageSet set = load_images(folder.string(), options);
  EXPECT_THAT(set.names, ElementsAre("a/1.png", "b/3.png"));
  EXPECT_THAT(to_vector(set.labels), ElementsAre(0, 1));
  EXPECT_EQ(set.images[1][0][0][0].item<int64_t>(), 3);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("a/0.png"), HasSubstr("b/2.png")));
}

TEST(FolderReader, NamesTheFirstImageOfAnotherSize) {
  const TempFolder folder;
  folder.write("a/0.png", flat_png(1));
  folder.write("a/1.png", flat_png(1, 3, 5));
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }),
              testing::AllOf(HasSubstr("a/1.png"), HasSubstr("3 x 5 x 5"),
                             HasSubstr("3 x 4 x 4 as in a/0.png")));
  folder.write("a/1.png", flat_png(1, 1));
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }), HasSubstr("1 x 4 x 4"));
}

TEST(FolderReader, RefusesEmptyClassesUnlessAllowed) {
  const TempFolder folder;
  folder.write("a/0.png", flat_png(1));
  folder.write("b/readme.txt", "nothing here");
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }),
              HasSubstr("class 'b' has no images"));
  ReadOptions options;
  options.allow_empty_classes = true;
  EXPECT_THAT(load_images(folder.string(), options).class_names, ElementsAre("a", "b"));
}

TEST(FolderReader, RefusesImagesBesideClassFoldersAndEmptyFolders) {
  const TempFolder folder;
  EXPECT_THAT(error_of([&] { load_images("folder:" + folder.string()); }),
              HasSubstr("there are no images"));
  folder.write("a/0.png", flat_png(1));
  folder.write("stray.png", flat_png(1));
  EXPECT_THAT(error_of([&] { load_images(folder.string()); }), HasSubstr("stray.png"));
  EXPECT_THAT(error_of([&] { load_images("folder:" + folder.write("file", "x")); }),
              HasSubstr("not a folder"));
}

TEST(FolderReader, AsksForLabelsWhenTheyAreRequired) {
  const TempFolder folder;
  folder.write("x.png", flat_png(1));
  ReadOptions options;
  options.require_labels = true;
  EXPECT_FALSE(load_images(folder.string()).has_labels());
  EXPECT_THAT(error_of([&] { load_images(folder.string(), options); }),
              HasSubstr("the images have no labels"));
}

}  // namespace
}  // namespace equipoise::data
