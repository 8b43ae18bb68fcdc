// Ids and texts of the original SentencePiece, for BPE and unigram models, with and without normalization and byte fallback.
using System.Text.Json;
using Microsoft.ML.Transfusion.Tokenization;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public class SentencePieceGoldenTests
{
    [SkippableFact]
    public void Ids_and_texts_are_those_of_SentencePiece()
    {
        GoldenFile golden = GoldenFile.Open("sentencepiece");
        string[] texts = golden.Json.GetProperty("tests").Deserialize<string[]>()!;
        Assert.NotEmpty(texts);
        JsonProperty[] models = [.. golden.Json.GetProperty("models").EnumerateObject().Where(model => File.Exists(Path.Combine(GoldenFile.Folder, $"{model.Name}.model")))];
        Skip.If(models.Length == 0, $"{GoldenFile.Folder} has none of the models of sentencepiece.json.");
        foreach (JsonProperty model in models)
        {
            TextVocabulary vocabulary = SentencePieceVocabulary.Load(File.ReadAllBytes(GoldenFile.PathOf($"{model.Name}.model")));
            int[][] ids = model.Value.GetProperty("ids").Deserialize<int[][]>()!;
            string[] decoded = model.Value.GetProperty("decoded").Deserialize<string[]>()!;
            golden.CheckEqual("vocabulary", [model.Value.GetProperty("vocab").GetInt64()], [vocabulary.Size]);
            for (int i = 0; i < texts.Length; i++)
            {
                golden.CheckEqual($"{model.Name} ids", ids[i].Select(id => (long)id), vocabulary.Encode(texts[i]).Select(id => (long)id));
                golden.CheckEqual($"{model.Name} text", decoded[i].Select(character => (long)character), vocabulary.Decode(ids[i])!.Select(character => (long)character));
            }
        }
    }
}
