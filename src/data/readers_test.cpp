// Every reader on files the tests write, and every way a data set can be broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <zlib.h>

#include "core/error.h"
#include "data/convert.h"
#include "data/dataset_reader.h"
#include "data/test_files.h"
#include "io/files.h"
#include "io/hash.h"
#include "io/npy.h"
#include "io/zip_archive.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string idx_images(uint32_t count, uint32_t size) {
  std::string bytes = big_endian(0x803) + big_endian(count) + big_endian(size) + big_endian(size);
  for (uint32_t i = 0; i < count * size * size; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

std::string idx_labels(const std::vector<int>& labels) {
  std::string bytes = big_endian(0x801) + big_endian(static_cast<uint32_t>(labels.size()));
  for (const int label : labels) bytes.push_back(static_cast<char>(label));
  return bytes;
}

void write_gzip(const std::string& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  gzclose(file);
}

void write_zip(const std::string& path,
               const std::vector<std::pair<std::string, std::string>>& entries) {
  io::ZipWriter archive(path);
  for (const auto& [name, bytes] : entries) archive.add(name, bytes);
  archive.finish();
}

// ---- specs

TEST(DatasetSpec, SplitsReaderPathPartAndOptions) {
  const DatasetSpec toy = parse_dataset_spec("toy:two-gaussians?num=10&seed=3");
  EXPECT_EQ(toy.reader, "toy");
  EXPECT_EQ(toy.path, "two-gaussians");
  EXPECT_EQ(toy.options.at("num"), "10");
  EXPECT_EQ(toy.options.at("seed"), "3");
  const TempFolder folder;
  folder.write("train-images-idx3-ubyte", idx_images(2, 2));
  const DatasetSpec idx = parse_dataset_spec("idx:" + folder.string() + "#test");
  EXPECT_EQ(idx.reader, "idx");
  EXPECT_EQ(idx.part, "test");
  EXPECT_EQ(idx.path, folder.string());
}

TEST(DatasetSpec, KeepsMarksThatBelongToAnExistingPath) {
  const TempFolder folder;
  folder.write("a#1?b/0/x.png", flat_png(1));
  const DatasetSpec spec = parse_dataset_spec(folder.string() + "/a#1?b");
  EXPECT_EQ(spec.reader, "folder");
  EXPECT_EQ(spec.path, folder / "a#1?b");
}

TEST(DatasetSpec, RefusesWhatMakesNoSense) {
  EXPECT_THAT(error_of([] { parse_dataset_spec("zipp:x"); }), HasSubstr("Did you mean 'zip'?"));
  EXPECT_THAT(error_of([] { parse_dataset_spec("/no/such/file.zip"); }),
              HasSubstr("no such file or folder"));
  EXPECT_THAT(error_of([] { parse_dataset_spec("toy:two-gaussians?num"); }), HasSubstr("'num'"));
  EXPECT_THAT(error_of([] { parse_dataset_spec("/tmp#valid"); }), HasSubstr("'valid'"));
  const TempFolder folder;
  EXPECT_THAT(error_of([&] { parse_dataset_spec(folder.write("x.txt", "text")); }),
              HasSubstr("no image set"));
}

TEST(DatasetRegistry, EveryReaderSaysWhatItIs) {
  for (const auto& [name, entry] : DatasetRegistry::instance().entries()) {
    EXPECT_FALSE(entry.info.summary.empty() || entry.info.source.empty() ||
                 entry.info.use_when.empty())
        << name;
    EXPECT_TRUE(entry.make.read) << name;
  }
  EXPECT_THAT(DatasetRegistry::instance().names(),
              ElementsAre("cifar", "folder", "idx", "npz", "toy", "zip"));
}

// ---- folder

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

// ---- zip

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

// ---- idx

TEST(IdxReader, FindsLabelsByNameAndTheTestPair) {
  const TempFolder folder;
  const std::string images = folder.write("train-images-idx3-ubyte", idx_images(3, 2));
  write_gzip((folder / "train-labels-idx1-ubyte.gz").string(), idx_labels({1, 0, 1}));
  write_gzip((folder / "t10k-images-idx3-ubyte.gz").string(), idx_images(2, 2));
  folder.write("t10k-labels-idx1-ubyte", idx_labels({0, 1}));
  for (const std::string& spec : {folder.string(), images, "idx:" + folder.string() + "#train"}) {
    const ImageSet set = load_images(spec);
    EXPECT_EQ(set.images.sizes(), at::IntArrayRef({3, 1, 2, 2}));
    EXPECT_EQ(set.images[1][0][0][1].item<int64_t>(), 5);
    EXPECT_THAT(to_vector(set.labels), ElementsAre(1, 0, 1));
    EXPECT_THAT(set.class_names, ElementsAre("0", "1"));
  }
  EXPECT_EQ(load_images("idx:" + images + "#test").size(), 2);
  EXPECT_EQ(load_images(folder.string() + "#test").size(), 2);
}

TEST(IdxReader, RenamesClassesWhenAsked) {
  const TempFolder folder;
  folder.write("train-images-idx3-ubyte", idx_images(2, 2));
  folder.write("train-labels-idx1-ubyte", idx_labels({1, 0}));
  EXPECT_THAT(load_images(folder.string() + "?classes=shirt,shoe").class_names,
              ElementsAre("shirt", "shoe"));
  EXPECT_THAT(error_of([&] { load_images(folder.string() + "?classes=shirt"); }),
              HasSubstr("'classes'"));
  EXPECT_THAT(error_of([&] { load_images(folder.string() + "?class=shirt"); }),
              HasSubstr("Did you mean 'classes'?"));
}

TEST(IdxReader, RefusesFilesThatDoNotFitEachOther) {
  const TempFolder folder;
  const std::string images = folder.write("train-images-idx3-ubyte", idx_images(2, 2));
  folder.write("train-labels-idx1-ubyte", idx_labels({1, 0, 1}));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("there are labels without images"));
  folder.write("train-labels-idx1-ubyte", idx_labels({1}));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("1 labels for 2 images"));
  folder.write("train-labels-idx1-ubyte", idx_images(2, 2));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("wrong number of dimensions"));
  folder.write("train-labels-idx1-ubyte", idx_labels({0, 2}));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("class '1' has no images"));
  folder.write("train-images-idx3-ubyte", idx_images(2, 2).substr(0, 20));
  EXPECT_THAT(error_of([&] { load_images(images); }), HasSubstr("train-images-idx3-ubyte"));
  EXPECT_THAT(error_of([&] { load_images(folder.string() + "#test"); }),
              HasSubstr("t10k-images-idx3-ubyte"));
}

// ---- cifar

std::string cifar_records(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes.push_back(static_cast<char>(i % 10));
    for (int value = 0; value < 3072; ++value) bytes.push_back(static_cast<char>(i + value / 1024));
  }
  return bytes;
}

TEST(CifarReader, ReadsBatchesInOrder) {
  const TempFolder folder;
  folder.write("data_batch_2.bin", cifar_records(10));
  write_gzip((folder / "data_batch_1.bin.gz").string(), cifar_records(20));
  folder.write("test_batch.bin", cifar_records(11));
  const ImageSet set = load_images(folder.string());
  EXPECT_EQ(set.images.sizes(), at::IntArrayRef({30, 3, 32, 32}));
  EXPECT_EQ(set.labels[12].item<int64_t>(), 2);
  EXPECT_EQ(set.images[12][2][31][31].item<int64_t>(), 14);
  EXPECT_EQ(set.class_names[9], "truck");
  EXPECT_EQ(load_images(folder.string() + "#test").size(), 11);
  EXPECT_EQ(load_images((folder / "data_batch_2.bin").string()).size(), 10);
}

TEST(CifarReader, RefusesCutRecordsAndStrangeLabels) {
  const TempFolder folder;
  const std::string whole = cifar_records(10);
  EXPECT_THAT(
      error_of([&] { load_images(folder.write("a.bin", whole.substr(0, whole.size() - 1))); }),
      HasSubstr("9 records and 3072 bytes"));
  std::string odd = whole;
  odd[3073 * 4] = 10;
  EXPECT_THAT(error_of([&] { load_images(folder.write("a.bin", odd)); }),
              HasSubstr("record 4 (byte 12292)"));
  EXPECT_THAT(error_of([&] { load_images(folder.write("a.bin", "")); }),
              HasSubstr("there are no images"));
  EXPECT_THAT(error_of([&] { load_images(folder.write("a.bin", cifar_records(9))); }),
              HasSubstr("class 'truck' has no images"));
  folder.write("test_batch.bin", whole);
  EXPECT_THAT(error_of([&] { load_images("cifar:" + folder.string()); }),
              HasSubstr("data_batch_1.bin"));
}

// ---- npz

TEST(NpzReader, ReadsChannelsLastBatches) {
  const TempFolder folder;
  const std::string path = (folder / "samples.npz").string();
  at::Tensor images = at::arange(2 * 2 * 2 * 3, at::kLong).to(at::kByte).view({2, 2, 2, 3});
  io::write_npz(path, {{"arr_0", images}, {"arr_1", indices({1, 0})}});
  const ImageSet set = load_images(path);
  EXPECT_TRUE(at::equal(set.images, images.permute({0, 3, 1, 2})));
  EXPECT_THAT(to_vector(set.labels), ElementsAre(1, 0));
  io::write_npz(path, {{"samples", images.select(3, 0).contiguous()}});
  EXPECT_EQ(load_images(path).images.sizes(), at::IntArrayRef({2, 1, 2, 2}));
}

TEST(NpzReader, ReadsVectorsAsSamplesOfToyLawsAreWritten) {
  const TempFolder folder;
  const std::string path = (folder / "points.npz").string();
  const at::Tensor points = at::arange(6, at::kFloat).view({3, 2});
  io::write_npz(path, {{"arr_0", points}});
  const ImageSet set = load_images(path);
  EXPECT_TRUE(set.is_vectors());
  EXPECT_TRUE(at::equal(set.images, points));
}

TEST(NpzReader, RefusesOtherArrays) {
  const TempFolder folder;
  const std::string path = (folder / "samples.npz").string();
  const at::Tensor images = at::zeros({2, 2, 2, 3}, at::kByte);
  const auto error_with = [&](const std::vector<std::pair<std::string, at::Tensor>>& arrays) {
    io::write_npz(path, arrays);
    return error_of([&] { load_images(path); });
  };
  EXPECT_THAT(error_with({{"features", images}}), HasSubstr("no array of images"));
  EXPECT_THAT(error_with({{"arr_0", images.to(at::kFloat)}}), HasSubstr("samples.npz/arr_0"));
  EXPECT_THAT(error_with({{"arr_0", images.permute({0, 3, 1, 2}).contiguous()}}),
              HasSubstr("not a batch of images"));
  EXPECT_THAT(error_with({{"arr_0", images}, {"labels", at::zeros({2}, at::kFloat)}}),
              HasSubstr("list of labels"));
  EXPECT_THAT(error_with({{"arr_0", images}, {"labels", at::zeros({3}, at::kLong)}}),
              HasSubstr("labels without images"));
  EXPECT_THAT(error_with({{"arr_0", images.narrow(0, 0, 0)}}), HasSubstr("there are no images"));
}

// ---- toy

TEST(ToyReader, DrawsTheTwoGaussians) {
  const ImageSet set = load_images("toy:two-gaussians?num=4000&seed=1");
  ASSERT_TRUE(set.is_vectors());
  EXPECT_EQ(set.images.sizes(), at::IntArrayRef({4000, 2}));
  EXPECT_EQ(set.labels.sum().item<int64_t>(), 2000);
  for (const int64_t mode : {0, 1}) {
    const at::Tensor points = set.images.index_select(0, set.labels.eq(mode).nonzero().flatten());
    // 2000 points a mode: standard error of a mean 0.022, of a variance 0.032; five of each.
    EXPECT_LT(points.mean(0).sub(mode == 0 ? -2 : 2).abs().max().item<float>(), 0.11);
    EXPECT_LT(points.var(0, false).sub(1).abs().max().item<float>(), 0.16);
  }
}

TEST(ToyReader, PointsDoNotDependOnTheirNumber) {
  const ImageSet few = load_images("toy:two-gaussians?num=10");
  const ImageSet many = load_images("toy:two-gaussians?num=20");
  EXPECT_TRUE(at::equal(many.images.narrow(0, 0, 10), few.images));
  EXPECT_FALSE(at::equal(load_images("toy:two-gaussians?num=10&seed=1").images, few.images));
  EXPECT_NE(few.sha256, many.sha256);
}

TEST(ToyReader, RefusesUnknownLawsAndOptions) {
  EXPECT_THAT(error_of([] { load_images("toy:two-gausians"); }),
              HasSubstr("Did you mean 'two-gaussians'?"));
  EXPECT_THAT(error_of([] { load_images("toy:two-gaussians?num=1"); }), HasSubstr("at least 2"));
  EXPECT_THAT(error_of([] { load_images("toy:two-gaussians?num=4x"); }), HasSubstr("4x"));
  EXPECT_THAT(error_of([] { load_images("toy:two-gaussians?sed=4"); }),
              HasSubstr("Did you mean 'seed'?"));
}

// ---- the set itself

TEST(ImageSet, NormalisesToMinusOneToOne) {
  ImageSet set = tiny_set({3});
  set.images = indices({0, 51, 255}).to(at::kByte).view({3, 1, 1, 1});
  const at::Tensor values = set.normalised(indices({2, 0, 1})).flatten();
  EXPECT_FLOAT_EQ(values[0].item<float>(), 1.f);
  EXPECT_FLOAT_EQ(values[1].item<float>(), -1.f);
  EXPECT_FLOAT_EQ(values[2].item<float>(), -0.6f);
  EXPECT_THAT(error_of([&] {
                set.normalised(indices({1, 3}));
              }),
              HasSubstr("got 3, expected 0 to 2"));
}

}  // namespace
}  // namespace equipoise::data
