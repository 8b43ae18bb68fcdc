// Ids and texts of the original SentencePiece, for BPE and unigram models, with and without normalization and byte fallback.
using System.Text.Json;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public class SentencePieceGoldenTests
{
    [SkippableFact]
    public void Ids_and_texts_are_those_of_SentencePiece() => Check(GoldenFile.Open("sentencepiece"), GoldenFile.Folder);

    [SkippableFact]
    public void Ids_of_repeated_letters_are_those_of_SentencePiece() => Check(GoldenFile.OpenCarried("sentencepiece_repeats"), GoldenFile.Carried);

    private static void Check(GoldenFile golden, string folder)
    {
        string[] texts = golden.Json.GetProperty("tests").Deserialize<string[]>()!;
        Assert.NotEmpty(texts);
        (string File, JsonProperty Expected)[] models = [.. golden.Json.GetProperty("models").EnumerateObject().Select(model => (Path.Combine(folder, $"{model.Name}.model"), model))];
        Skip.IfNot(models.Any(model => File.Exists(model.File)), $"{folder} has none of the models of {golden.Name}.");
        foreach ((string file, JsonProperty expected) in models.Where(model => File.Exists(model.File)))
        {
            TextVocabulary vocabulary = SentencePieceVocabulary.Load(File.ReadAllBytes(file));
            int[][] ids = expected.Value.GetProperty("ids").Deserialize<int[][]>()!;
            string[] decoded = expected.Value.GetProperty("decoded").Deserialize<string[]>()!;
            golden.CheckEqual("vocabulary", [expected.Value.GetProperty("vocab").GetInt64()], [vocabulary.Size]);
            for (int i = 0; i < texts.Length; i++)
            {
                golden.CheckEqual($"{expected.Name} ids", ids[i].Select(id => (long)id), vocabulary.Encode(texts[i]).Select(id => (long)id));
                golden.CheckEqual($"{expected.Name} text", decoded[i].Select(character => (long)character), vocabulary.Decode(ids[i])!.Select(character => (long)character));
            }
        }
    }
}
