using Microsoft.ML.Transfusion.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Data;

public class RunOptionsTests
{
    private static readonly TransfusionTrainer.Options Options = TinyTraining.Options;

    [Fact]
    public void Of_names_every_option_of_the_network_and_the_optimizer_but_those_of_steps_to_come()
    {
        IReadOnlyDictionary<string, string> values = Of(Options);
        foreach ((string prefix, Type type) in ((string, Type)[])[("Transformer", typeof(TransformerConfig)), ("Diffusion", typeof(DiffusionConfig)), ("Image", typeof(ImageCodecConfig)), ("Optimizer", typeof(OptimizerConfig))])
        {
            string[] free = ["LearningRate", "FinalLearningRateRatio", "WarmupSteps", "MaxGradientNorm", "WeightDecay"];
            string[] names = [.. type.GetProperties(System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.Instance).Select(property => property.Name)];
            Assert.NotEmpty(names);
            Assert.All(names, name => Assert.Equal(prefix != "Optimizer" || !free.Contains(name), values.ContainsKey($"{prefix}.{name}")));
        }
    }

    [Fact]
    public void Compare_takes_an_option_that_a_checkpoint_does_not_know_for_its_default()
    {
        Dictionary<string, string> older = Of(Options).ToDictionary();
        older.Remove("Optimizer.Beta1");
        older.Add("Optimizer.Forgotten", "3");

        Assert.Equal([new("Optimizer.Forgotten", "3", "null")], Changed(older, Options));
        Assert.Equal(["Optimizer.Beta1", "Optimizer.Forgotten"], Changed(older, Options with { Optimizer = Options.Optimizer with { Beta1 = 0.5 } }).Select(option => option.Name));
    }

    [Fact]
    public void Compare_sees_another_ready_vocabulary_and_other_columns()
    {
        IReadOnlyDictionary<string, string> before = Of(Options);
        Assert.Empty(Changed(before, Options));
        IReadOnlyDictionary<string, string> now = RunOptions.Of(Options, Config(Options), [new("Photo", IsImage: true)], TinyTraining.Transformer.Model.Tokenizer, ScalarType.Float32);
        Assert.Equal(["ColumnNames", "Tokenizer"], RunOptions.Compare(before, now).Where(option => option.Before != option.Now).Select(option => option.Name));
    }

    private static ChangedOption[] Changed(IReadOnlyDictionary<string, string> before, TransfusionTrainer.Options options) =>
        [.. RunOptions.Compare(before, Of(options)).Where(option => option.Before != option.Now)];

    private static IReadOnlyDictionary<string, string> Of(TransfusionTrainer.Options options) =>
        RunOptions.Of(options, Config(options), [new("Caption", IsImage: false), new("Image", IsImage: true)], null, ScalarType.Float32);

    private static TransfusionConfig Config(TransfusionTrainer.Options options) =>
        new() { Transformer = options.Transformer, Diffusion = options.Diffusion, Image = options.Image };
}
