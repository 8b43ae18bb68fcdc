// Training that begins with a Llama checkpoint: of our own writing, so that the whole way out and in is walked.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tests.Golden;
using Microsoft.ML.Transfusion.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class TransfusionTrainerPretrainedTests : IDisposable
{
    private readonly MLContext _ml = new(1);
    private readonly TemporaryFolder _temporary = new();

    public static TheoryData<bool> Tied => [false, true];

    public void Dispose() => _temporary.Dispose();

    [SkippableTheory]
    [MemberData(nameof(Tied))]
    public void Fit_takes_over_architecture_weights_and_vocabulary(bool tied)
    {
        TransfusionTrainer.Options options = TinyTraining.Options with { InitializeFrom = Export(SentencePiece(), tied), NumberOfSteps = 1, Optimizer = new() { LearningRate = 1e-12, WarmupSteps = 0, BatchSize = 4 } };

        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));

        TransformerConfig config = transformer.Model.Config.Transformer;
        Assert.Equal((48, 2, 4, 2, tied), (config.HiddenSize, config.NumberOfLayers, config.NumberOfHeads, config.KeyValueHeads, config.TiedEmbeddings));
        Assert.Equal(options.Transformer.MaxSequenceLength, config.MaxSequenceLength);
        TextTokenizer tokenizer = transformer.Model.Tokenizer;
        Assert.Equal((1, 2, 600), (tokenizer.SpecialTokens.BeginOfSequence, tokenizer.SpecialTokens.EndOfSequence, tokenizer.SpecialTokens.Padding));
        Assert.Equal(603, tokenizer.VocabularySize);                       // 600 rows, of which the vocabulary uses 512; padding and two around images are new
        AssertTextPath(options.InitializeFrom!, transformer.Model, tolerance: 1e-5);
        using MLImage drawing = transformer.Model.GenerateImage("a cat", options.Generation);
        Assert.Equal((8, 8), (drawing.Width, drawing.Height));
        Assert.NotNull(transformer.Model.Caption(drawing, options.Generation));
    }

    [SkippableTheory]
    [MemberData(nameof(Tied))]
    public void Fit_with_a_frozen_text_path_moves_the_image_parts_alone(bool tied)
    {
        TransfusionTrainer.Options options = TinyTraining.Options with { InitializeFrom = Export(SentencePiece(), tied), FreezeTextPath = true, NumberOfSteps = 60, Optimizer = new() { LearningRate = 1e-2, WarmupSteps = 0, BatchSize = 4, EmaDecay = 0 } };
        TransfusionTransformer Fit(TransfusionTrainer.Options options) => _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));

        using TransfusionTransformer transformer = Fit(options), still = Fit(options with { NumberOfSteps = 1, Optimizer = options.Optimizer with { LearningRate = 1e-12 } });

        AssertTextPath(options.InitializeFrom!, transformer.Model, tolerance: 0);
        Assert.True(DiffusionLoss(transformer.Model) < 0.95 * DiffusionLoss(still.Model), $"{DiffusionLoss(transformer.Model)} after training, {DiffusionLoss(still.Model)} before.");
        transformer.Model.Save(_temporary.File("frozen.zip"));
        using TransfusionModel loaded = TransfusionModel.Load(_temporary.File("frozen.zip"));
        using MLImage drawing = loaded.GenerateImage("a cat", options.Generation);
        Assert.Equal(transformer.Model.Caption(drawing, options.Generation), loaded.Caption(drawing, options.Generation));
    }

    [SkippableFact]
    public void FreezeTextPath_is_refused_where_the_checkpoint_has_no_end_of_sequence()
    {
        TextTokenizer bytes = TextTokenizer.Train(["a"], 256);
        TransfusionTrainer.Options options = TinyTraining.Options with { InitializeFrom = Export(bytes, tied: false) };
        _ml.Generation.Trainers.Transfusion(options);

        var error = Assert.Throws<ArgumentException>(() => _ml.Generation.Trainers.Transfusion(options with { FreezeTextPath = true }));

        Assert.Contains("eos_token_id", error.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void A_model_from_a_checkpoint_is_saved_loaded_and_exported_with_its_vocabulary()
    {
        TransfusionTrainer.Options options = TinyTraining.Options with { InitializeFrom = Export(SentencePiece(), tied: true) };
        using TransfusionTransformer transformer = _ml.Generation.Trainers.Transfusion(options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));

        transformer.Model.Save(_temporary.File("model.zip"));
        using TransfusionModel loaded = TransfusionModel.Load(_temporary.File("model.zip"));
        loaded.ExportLlama(_temporary.File("again"));

        using MLImage picture = TinyTraining.Picture(3);
        Assert.Equal(transformer.Model.Caption(picture, options.Generation), loaded.Caption(picture, options.Generation));
        Assert.Equal(transformer.Model.Tokenizer.SpecialTokens, loaded.Tokenizer.SpecialTokens);
        LlamaCheckpoint again = LlamaCheckpoint.Open(_temporary.File("again"));
        Assert.Equal(loaded.Tokenizer.VocabularySize, again.Table.Rows);
        Assert.Equal(loaded.Tokenizer.SpecialTokens, again.CreateTokenizer().SpecialTokens);
        AssertTextPath(_temporary.File("again"), loaded, tolerance: 0);
    }

    [SkippableFact]
    public void Constructor_refuses_a_folder_that_does_not_fit_before_any_data_is_read()
    {
        string folder = Export(SentencePiece(), tied: false);
        TransfusionTrainer.Options options = TinyTraining.Options with { InitializeFrom = folder };
        string Refusal(TransfusionTrainer.Options wrong) => Assert.ThrowsAny<Exception>(() => _ml.Generation.Trainers.Transfusion(wrong)).Message;

        string vocabulary = Path.Combine(folder, "tokenizer.model");
        File.Move(vocabulary, vocabulary + ".away");
        Assert.Contains("has no vocabulary", Refusal(options));
        _ml.Generation.Trainers.Transfusion(options with { Tokenizer = TokenizerConfig.FromSentencePiece(vocabulary + ".away") });
        File.WriteAllText(Path.Combine(folder, "config.json"), "{ \"model_type\": \"mamba\" }");
        Assert.Contains("mamba", Refusal(options));
        File.Delete(Path.Combine(folder, "config.json"));
        Assert.Contains("config.json", Refusal(options));
    }

    /// <summary>A small Llama of random weights with 600 rows, in a folder with its vocabulary.</summary>
    private string Export(TextTokenizer tokenizer, bool tied)
    {
        var config = new TransformerConfig { HiddenSize = 48, NumberOfLayers = 2, NumberOfHeads = 4, NumberOfKeyValueHeads = 2, MaxSequenceLength = 64, TiedEmbeddings = tied };
        TextTokenizer padded = tokenizer.For(new TokenTable(600) { Padding = 512, BeginOfImage = 513, EndOfImage = 514 });
        using var network = new TransfusionNetwork(config, padded.VocabularySize, patchVectorSize: 4, patchCount: 1);
        using var generator = new Generator(7, CPU);
        network.Initialize(generator);
        string folder = _temporary.File("llama");
        LlamaCheckpoint.Write(folder, network, padded);
        // As another program would have written it: without our special tokens.
        string path = Path.Combine(folder, "config.json");
        File.WriteAllLines(path, File.ReadAllLines(path).Where(line => !line.Contains("_token_id", StringComparison.Ordinal)).Select(line => line.Replace("\"mlp_bias\": false,", "\"mlp_bias\": false", StringComparison.Ordinal)));
        return folder;
    }

    private static TextTokenizer SentencePiece() => TextTokenizer.FromSentencePiece(File.ReadAllBytes(GoldenFile.PathOf("spm_bpe_llama.model")));

    private static double DiffusionLoss(TransfusionModel model) => TinyTraining.Rows().Average(row =>
    {
        using MLImage image = row.Image!;
        return model.Score([new SequencePart.Text(row.Caption!), new SequencePart.Image(image)]).DiffusionLoss;
    });

    private static Dictionary<string, Tensor> Weights(TransfusionModel model)
    {
        using var stream = new MemoryStream();
        model.Save(stream);
        stream.Position = 0;
        return new(ModelArchive.Read(stream).Weights);
    }

    private static void AssertTextPath(string folder, TransfusionModel model, double tolerance)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> weights = Weights(model);
        LlamaCheckpoint checkpoint = LlamaCheckpoint.Open(folder);
        using var expected = new TransfusionNetwork(checkpoint.Transformer, checkpoint.Table.Rows, patchVectorSize: 4, patchCount: 1);
        using var generator = new Generator(1, CPU);
        checkpoint.CopyTo(expected, generator);
        foreach ((string name, Tensor weight) in expected.state_dict().Where(entry => !entry.Key.Contains("patch", StringComparison.Ordinal)))
            TensorAssert.Close(weight, weights[name].narrow(0, 0, weight.shape[0]), tolerance, name);
    }
}
